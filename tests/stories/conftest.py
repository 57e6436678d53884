"""The command as people start it, and one repository of all shared files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vasculum as package
from tests.command import Called

Run = Callable[..., Called]
"""Takes the words of a command line."""


def start(*words: object, seconds: float = 300) -> Called:
    """Start ``vasculum`` in a process of its own; no call may ever show a traceback."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VASCULUM_") or k == "VASCULUM_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-m", "vasculum", *(os.fspath(w) if isinstance(w, Path) else str(w) for w in words)],
        capture_output=True,
        timeout=seconds,
        check=False,
        env=kept | {"VASCULUM_CONFIG": os.devnull, "PYTHONWARNINGS": "default"},
    )
    out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in out + err, err[-3000:]
    return Called(done.returncode, out, err)


@pytest.fixture(scope="session")
def run() -> Run:
    """Start the command."""
    return start


@dataclass(frozen=True)
class Everything:
    """A repository of all shared files, and what the import said."""

    root: Path
    data: Path
    code: int
    report: Any
    """Of ``import --json``."""


@pytest.fixture(scope="session")
def everything(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """Import all shared files, once for all stories. Not to be changed."""
    root = tmp_path_factory.mktemp("everything") / "repository"
    called = start("import", shared_data, "--repo", root, "--json")
    assert called.out, called.err[-3000:]
    return Everything(root, shared_data, called.code, json.loads(called.out))


@pytest.fixture
def repository(everything: Everything) -> Iterator[package.Repository]:
    """Open the repository of all shared files."""
    with package.open_repository(everything.root) as opened:
        yield opened
