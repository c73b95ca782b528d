"""Which pairs share a call, and what a reply means for each of them. No I/O, no clock."""
