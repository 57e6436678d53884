"""The whole import through faults of single system calls, injected by strace: nothing acknowledged is lost, and the
same command then completes it."""

from __future__ import annotations

import collections
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import verify_script
from tests.interop import require

SCRIPT = Path(__file__).with_name("ingest_script.py")
CALLS = ("write", "pwrite64", "fdatasync", "fsync", "rename", "unlink")
INJECTIONS = (
    ("pwrite64", "signal=KILL"),
    ("pwrite64", "error=ENOSPC"),
    ("write", "error=ENOSPC"),
    ("fdatasync", "signal=KILL"),
    ("fdatasync", "error=EIO"),
    ("fsync", "error=EIO"),
    ("rename", "signal=KILL"),
    ("rename", "error=ENOSPC"),
    ("unlink", "signal=KILL"),
)

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for number in range(9):
        (folder / f"note {number}.txt").write_text(f"note {number} " * 50)
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 8 8 8\nencoding: raw\n\n"
    (folder / "scan.nrrd").write_bytes(header.encode() + bytes(range(256)) * 2)
    return folder


def ingest(store: Path, source: Path, log: Path, *options: str) -> subprocess.CompletedProcess[str]:
    strace = require("strace", "faults of single system calls")
    command = [strace, "-f", "-qq", "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *options]
    command += [sys.executable, str(SCRIPT), str(store), str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def counted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """Which calls of a thread touch the repository: call → their numbers, in the thread that makes most of them."""
    folder = tmp_path_factory.mktemp("counted")
    done = ingest(folder / "store", source, folder / "log")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ACK") == 10
    seen: dict[tuple[str, str], int] = collections.Counter()
    touching: dict[str, dict[str, list[int]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in (folder / "log").read_text(errors="replace").splitlines():
        match = re.match(r"(\d+)\s+(\w+)\(", line)
        if match:
            seen[match[1], match[2]] += 1
            if str(folder / "store") in line:
                touching[match[2]][match[1]].append(seen[match[1], match[2]])
    return {call: max(threads.values(), key=len) for call, threads in touching.items()}


@pytest.mark.parametrize(("call", "fault"), INJECTIONS)
def test_a_fault_in_the_middle_of_an_import_loses_nothing(
    source: Path, counted: dict[str, list[int]], tmp_path: Path, call: str, fault: str
) -> None:
    numbers = counted[call]
    number = numbers[2 * len(numbers) // 3]
    done = ingest(tmp_path / "store", source, tmp_path / "log", "-e", f"inject={call}:{fault}:when={number}")
    assert ("INJECTED" in (tmp_path / "log").read_text(errors="replace")) or done.returncode
    (tmp_path / "acks").write_text(done.stdout)
    assert "Traceback" not in done.stderr
    assert verify_script.main(tmp_path / "store", tmp_path / "acks") == []
    again = ingest(tmp_path / "store", source, tmp_path / "log")
    assert again.returncode == 0, again.stderr
    (tmp_path / "acks").write_text(again.stdout)
    assert again.stdout.count("ACK") == 10
    assert verify_script.main(tmp_path / "store", tmp_path / "acks") == []
