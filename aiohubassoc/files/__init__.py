"""Reads pairs from files, and writes result files."""
