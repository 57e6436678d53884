"""What the benchmarks share: timed child processes with their memory, medians, tables. Needs psutil."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent
WORK = Path(__file__).parent / "work"
SAMPLE_SECONDS = 0.1
LONGEST_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Measured:
    """What a child process printed (its last line, as JSON) and the most memory it took, in bytes."""

    said: dict[str, Any]
    parent: int
    """Peak resident memory of the process itself."""
    child: int
    """That of the largest of its children."""
    together: int
    """The most that it and all its children had at one time."""


def measured(module: str, *arguments: object) -> Measured:
    """Run ``python -m benchmarks.<module> arguments`` and watch its memory."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peaks = _Peaks(process.pid)
    try:
        out, _ = process.communicate(timeout=LONGEST_SECONDS)
    finally:
        process.kill()
        peaks.stop()
    if process.returncode:
        raise SystemExit(f"{module} ended with code {process.returncode}")
    said = json.loads(out.strip().rpartition("\n")[2])
    return Measured(said, peaks.parent, peaks.child, peaks.together)


class _Peaks:
    """Samples the memory of a process and its children in a thread; peaks of a process are those of the kernel."""

    def __init__(self, pid: int) -> None:
        self.parent = self.child = self.together = 0
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            with suppress(psutil.Error):
                children = self._process.children(recursive=True)
                self.parent = max(self.parent, _peak(self._process))
                self.child = max([self.child, *map(_peak, children)])
                self.together = max(self.together, _now(self._process) + sum(map(_now, children)))


def _now(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _peak(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return _now(process)


def interpreter() -> int:
    """Resident memory in bytes of an interpreter that has loaded numpy and nothing else."""
    code = "import numpy, psutil; print(psutil.Process().memory_info().rss)"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """Give an empty folder on the disk of the checkout; it goes with its content."""
    WORK.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=WORK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            WORK.rmdir()


def settle() -> None:
    """Write out what earlier steps left to be written, so that the next one does not pay for it."""
    if hasattr(os, "sync"):
        os.sync()


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Say the median of some runs, and the least and the most."""
    if not values:
        return "-"
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):,.{digits}f}-{max(values):,.{digits}f}]"


def megabytes(size: float) -> str:
    """Say a number of bytes in MB."""
    return f"{size / 1e6:,.0f} MB"


def header(title: str) -> None:
    """Print what is measured, and where."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    memory = psutil.virtual_memory().total / 2**30
    python = platform.python_version()
    print(f"\n{title}\n{os.cpu_count()} processors, {memory:.0f} GiB, Python {python}{load}\n", flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, ["-" * w for w in widths], *rows):
        cells = [
            cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    if hasattr(os, "getloadavg"):
        print(f"load at the end {os.getloadavg()[0]:.1f}")
    sys.stdout.flush()
