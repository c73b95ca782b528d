"""The command line: reads options, runs the client, and prints outcomes."""
