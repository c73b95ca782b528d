"""One quota for many processes: what they must have in common is kept in a store."""
