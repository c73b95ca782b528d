"""Many pairs: read, sent, and each with one outcome, whatever ends the run."""
