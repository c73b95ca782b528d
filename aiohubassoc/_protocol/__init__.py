"""HubSpot's HTTP contract: what is sent, and what a response means. No I/O, no clock."""
