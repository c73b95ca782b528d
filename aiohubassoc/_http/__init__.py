"""One call to HubSpot: its quota, its token, its connection."""
