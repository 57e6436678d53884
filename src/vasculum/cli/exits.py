"""Exit codes of the command."""

DONE = 0
SOME_REFUSED = 1
"""Some items were refused, or are damaged; the rest is done."""
USAGE = 2
FAILED = 3
STOPPED = 130
"""Stopped from the keyboard, as shells say it."""
