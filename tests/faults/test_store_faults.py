"""A store through a kill, a failing call and a power cut, at every call that it makes."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.recorder import FaultAt, PowerCut, watched
from vasculum.store import Incoming, LocalStore, Stored, local
from vasculum.testing.store_suite import blob_of, digest

CONTENTS = [b"", b"first", b"second" * 40_000, b"first", bytes(300)]
GROUPS = (CONTENTS[:3], CONTENTS[3:])


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStore, "_each", lambda self, function, items: [function(item) for item in items])


def incoming(content: bytes) -> Incoming:
    return Incoming(lambda: io.BytesIO(content), digest(content))


def ingest(root: Path, acknowledge: Callable[[str], None]) -> None:
    with LocalStore(root) as store:
        for group in GROUPS:
            for answer in store.put([incoming(content) for content in group]):
                if isinstance(answer, Stored):
                    acknowledge(answer.sha256)


def faults(root: Path, acknowledged: set[str]) -> list[str]:
    """Say what does not hold: what was acknowledged is there; nothing under a final name is torn."""
    by_digest = {digest(content): content for content in CONTENTS}
    found = []
    with LocalStore(root) as store:
        found += [f"lost {sha256[:8]}" for sha256 in acknowledged if not store.has(sha256)]
        for sha256 in store.objects():
            if store.check(blob_of(by_digest[sha256])):
                found.append(f"torn {sha256[:8]}")
        answers = store.put([incoming(content) for content in CONTENTS])  # the same command again ends well
        if not all(isinstance(answer, Stored) for answer in answers):
            found.append("does not recover")
        if set(store.objects()) != set(by_digest):
            found.append("is not complete after the second time")
    left = [path for path in (root / "tmp").rglob("*") if path.is_file()]
    return found + [f"left {path.name}" for path in left]


def calls_of(root: Path) -> int:
    counted = FaultAt(number=-1)
    with watched(counted):
        ingest(root, lambda _: None)
    return counted.count


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_call_loses_nothing(tmp_path: Path, error: int) -> None:
    calls = calls_of(tmp_path / "counted")
    assert calls > 40
    for number in range(1, calls + 1):
        root = tmp_path / f"{number}"
        acknowledged: set[str] = set()
        with watched(FaultAt(number, error)):
            try:
                ingest(root, acknowledged.add)
            except Exception as raised:
                assert type(raised).__name__ == "Unavailable", number
        assert faults(root, acknowledged) == [], number


KILLED = """
import sys
from pathlib import Path
import tests.faults.test_store_faults as t
from tests.faults.recorder import FaultAt, watched
import os
t.LocalStore._each = lambda self, function, items: [function(item) for item in items]
root, calls = Path(sys.argv[1]), int(sys.argv[2])
for number in range(1, calls + 1):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with watched(FaultAt(number)):
            t.ingest(root / str(number), lambda sha256: WRITE(writing, sha256.encode()))
        os._exit(0)
    os.close(writing)
    acks = b""
    while piece := os.read(reading, 65536):
        acks += piece
    os.close(reading)
    os.waitpid(child, 0)
    acknowledged = {acks[n : n + 64].decode() for n in range(0, len(acks), 64)}
    print(number, len(acknowledged), t.faults(root / str(number), acknowledged), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_call_loses_nothing(tmp_path: Path) -> None:
    calls = calls_of(tmp_path / "counted")
    script = "import os\nWRITE = os.write\n" + KILLED
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(calls)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == calls, done.stderr
    assert [line for line in lines if not line.endswith("[]")] == []
    assert {line.split()[1] for line in lines} >= {"0", "3", "4"}  # kills before, between and after the groups


def test_a_power_cut_after_any_call_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    cut = PowerCut(root)
    acknowledged: list[str] = []
    states: dict[str, tuple[dict[str, bytes], set[str]]] = {}

    def after(name: str, args: tuple[object, ...], result: object) -> None:
        cut(name, args, result)
        for state in cut.states():
            states[repr((sorted(state.items()), len(acknowledged)))] = (state, set(acknowledged))

    with watched(after=after):
        ingest(root, acknowledged.append)
    assert len(states) > 20
    for number, (state, known) in enumerate(states.values()):
        image = tmp_path / f"state {number}"
        for name, content in state.items():
            path = image / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        assert faults(image, known) == [], sorted(state)


def test_the_simulator_sees_a_careless_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the flush of bytes, or that of folders, power cuts lose what was acknowledged."""
    for careless in ("_flushed", "fsync_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(local, careless, lambda *args: args[-1])
            cut, lost = PowerCut(tmp_path / careless), []

            def acknowledge(sha256: str, cut: PowerCut = cut, lost: list[str] = lost) -> None:
                name = f"objects/{sha256[:2]}/{sha256[2:]}"
                lost += [sha256 for state in cut.states() if digest(state.get(name, b"nothing")) != sha256]

            with watched(after=cut):
                ingest(tmp_path / careless, acknowledge)
        assert lost, careless
