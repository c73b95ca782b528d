"""What HubSpot says about an account before a run."""
