"""When the next call may go: values in, values out. No await, no clock, no I/O."""
