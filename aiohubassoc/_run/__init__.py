"""Many pairs: they are read and sent, and each has one outcome, however the run ends."""
