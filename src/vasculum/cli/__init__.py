"""The command: parse, call the repository, print."""
