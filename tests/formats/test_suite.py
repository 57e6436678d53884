"""The conformance tests of the port, on every format of ours, with real files."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Format
from vasculum.formats.registry import formats
from vasculum.testing.format_suite import (
    check_damage,
    check_port,
    check_recognition,
    check_sample,
    check_voxels,
    head_of,
)

NAMES = [f.name for f in formats()]
SAMPLES_EACH = 6
DAMAGED_EACH = 2
LARGEST_DAMAGED = 200_000


def named(name: str) -> Format:
    return next(f for f in formats() if f.name == name)


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> dict[str, list[Path]]:
    """A few readable files for each format, small ones first, from different folders."""
    by_format: dict[str, list[Path]] = {name: [] for name in NAMES}
    folders: set[tuple[str, Path]] = set()
    files = [p for p in shared_data.rglob("*") if p.is_file() and "malformed" not in str(p)]
    for path in sorted(files, key=lambda p: (p.stat().st_size, p.name)):
        port = next(f for f in formats() if f.recognises(head_of(path)))
        key = (port.name, path.parent)
        if len(by_format[port.name]) >= SAMPLES_EACH or key in folders:
            continue
        try:
            port.describe(path)
        except (Unreadable, Unsupported):
            continue
        folders.add(key)
        by_format[port.name].append(path)
    return by_format


@pytest.mark.parametrize("name", NAMES)
def test_port(name: str) -> None:
    check_port(named(name))
    check_recognition(named(name))


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str, samples: dict[str, list[Path]]) -> None:
    if not samples[name]:
        pytest.skip(f"no sample of {name} in the shared data")
    for path in samples[name]:
        check_sample(named(name), path)
        check_voxels(named(name), path)


@pytest.mark.parametrize("name", NAMES)
def test_damage(name: str, samples: dict[str, list[Path]], tmp_path: Path) -> None:
    small = [p for p in samples[name] if p.stat().st_size < LARGEST_DAMAGED][:DAMAGED_EACH]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of the damage; what counts is how it ends
        for number, path in enumerate(small):
            folder = tmp_path / str(number)
            folder.mkdir()
            check_damage(named(name), path, folder, seed=number)
