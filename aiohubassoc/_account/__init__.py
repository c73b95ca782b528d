"""What HubSpot reports about an account before a run."""
