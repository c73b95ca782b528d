"""The run folder: what survives a crash."""
