"""Write docs/reference/commands.md from the help of the commands. A test fails where it is stale.

Usage: python tools/make_command_reference.py
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from unittest import mock

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"

INTRODUCTION = """\
# Commands

<!-- Made by tools/make_command_reference.py from the help of the commands; do not edit. -->

Every command has `--help` with examples, `--json` ([what it prints](json.md)) and `--repo`. Exit codes: 0 done,
1 some items refused or damaged, 2 usage, 3 failed.
"""


def command_reference() -> str:
    """Give the text of the page."""
    from vasculum.cli.main import COMMANDS

    parts = [INTRODUCTION]
    for name, (_, summary) in COMMANDS.items():
        parts.append(f"## {name}\n\n{summary}\n\n```text\n{help_of(name)}\n```\n")
    return "\n".join(parts)


def help_of(name: str) -> str:
    """Give the help of a command as it stands on a terminal of 100 columns, without colour."""
    from vasculum.cli.main import run

    text = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}),
        contextlib.redirect_stdout(text),
    ):
        run([name, "--help"])
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


if __name__ == "__main__":
    TARGET.write_text(command_reference(), encoding="utf-8", newline="\n")
    sys.stdout.write(f"wrote {TARGET.name}\n")
