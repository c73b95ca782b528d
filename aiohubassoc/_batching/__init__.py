"""Which pairs share a call, and what a reply says about each of them. No I/O, no clock."""
