"""``vasculum --help`` starts quickly: nothing heavy is loaded before a command needs it."""

from __future__ import annotations

import subprocess
import sys
import time

HELP = [sys.executable, "-m", "vasculum", "--help"]

BOUND_SECONDS = 0.3
SLOW_MACHINE = 4
"""CI machines are shared: the bound is held against the start of Python itself, four times over."""


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def test_help_is_quick() -> None:
    best = min(_seconds(HELP) for _ in range(5))
    assert best < BOUND_SECONDS * SLOW_MACHINE, f"{best:.2f} s"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from vasculum.cli.main import run; run(['--help']); "
        "print(sorted({'numpy', 'pydicom', 'sqlalchemy', 'SimpleITK', 'nibabel', 'lark'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
