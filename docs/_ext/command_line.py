"""The command line for `.. cyclopts:: command_line:app`, which reads its help from the program."""

from aiohubassoc.cli.app import make_app

app = make_app()
