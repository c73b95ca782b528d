"""One quota for many processes: its state is kept in a store."""
