"""Pairs from files, and out to result files."""
