"""The client's decisions: values in, values out. No await, clock, randomness, logging or I/O."""
