"""The only place that awaits the network or the clock."""
