"""Real files with seeded damage: each is described or refused; none hangs, crashes or escapes.

``VASCULUM_MUTANTS=4000`` sets how many; ``VASCULUM_MUTANTS_KEEP=DIR`` keeps those that ended their process.
"""

from __future__ import annotations

import collections
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vasculum.errors import VasculumError
from vasculum.formats.limited import Examiner
from vasculum.model.description import Description

MUTANTS = int(os.environ.get("VASCULUM_MUTANTS", "240"))
KEEP = os.environ.get("VASCULUM_MUTANTS_KEEP", "")
LARGEST = 200_000
SEED = 7
LIES = (
    b"\xff\xff\xff\xff",
    b"\xf0\xff\xff\xff",
    b"\0\0\0\x80",
    b"\xff\xff\0\0",
    b"\0\0\0\0",
    b"99999999",
    b"-1",
    b"nan",
)
ENDED = ("crashed", "longer than the limit")


def mutated(original: bytes, other: bytes, chance: random.Random) -> bytes:
    """Flip bytes, cut, splice another file in, or lie about a length; mostly near the start, where headers are."""
    content = bytearray(original)
    near = min(len(content), 4000)
    kind = chance.random()
    if kind < 0.5:
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(near if chance.random() < 0.8 else len(content))] = chance.randrange(256)
    elif kind < 0.7:
        del content[chance.randrange(1, len(content)) :]
    elif kind < 0.85:
        at, start = chance.randrange(len(content)), chance.randrange(len(other))
        content[at:at] = other[start : start + chance.randint(1, 3000)]
    else:
        at, lie = chance.randrange(near), chance.choice(LIES)
        content[at : at + len(lie)] = lie
    return bytes(content)


def originals(shared_data: Path) -> list[Path]:
    found = [
        path for path in sorted(shared_data.rglob("*")) if path.is_file() and 200 < path.stat().st_size < LARGEST
    ]
    by_kind: dict[str, list[Path]] = collections.defaultdict(list)
    for path in found:
        by_kind[path.suffix.lower()].append(path)
    chance = random.Random(SEED)
    # As many DICOM files as all others together, and of each other kind at most a few.
    dicom = by_kind.pop(".dcm", []) + by_kind.pop("", [])
    others = [path for paths in by_kind.values() for path in chance.sample(paths, min(6, len(paths)))]
    return chance.sample(dicom, min(len(dicom), len(others))) + others


def mutants(shared_data: Path, folder: Path) -> Iterator[Path]:
    sources = originals(shared_data)
    chance = random.Random(SEED)
    for number in range(MUTANTS):
        path, other = chance.choice(sources), chance.choice(sources)
        mutant = folder / f"{number:05d}{path.suffix}"
        mutant.write_bytes(mutated(path.read_bytes(), other.read_bytes(), chance) or b"\0")
        yield mutant


def test_damaged_files_are_described_or_refused(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    with Examiner(2) as examiner:
        for found in examiner.examine_all(mutants(shared_data, tmp_path)):
            assert (found.description is None) == bool(found.refusal)
            outcome = found.refusal or "described"
            if found.description is not None:
                outcome = printed(examiner, tmp_path, found.description)
            if any(word in outcome for word in ENDED) and KEEP:
                shutil.copy(found.path, KEEP)
            outcomes[outcome] += 1
            Path(found.path).unlink()
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{MUTANTS} mutants in {seconds:.0f} s")
        for outcome, count in outcomes.most_common(None if MUTANTS > 1000 else 0):
            print(f"{count:6d} {outcome[:150]}")
    assert sum(outcomes.values()) == MUTANTS
    assert not [outcome for outcome in outcomes if any(word in outcome for word in ENDED)]


def printed(examiner: Examiner, folder: Path, description: Description) -> str:
    """Read the voxels too, where there are any."""
    try:
        parts = {part.name: folder / part.name for part in description.parts}
        return "voxels read" if examiner.voxel_print(description, parts) else "described"
    except VasculumError as error:
        return f"voxels: {error.message}"
