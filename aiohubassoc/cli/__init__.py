"""The command line: argv to verbs of the client, outcomes to the terminal."""
