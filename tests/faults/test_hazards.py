"""Hostile files through the limited child processes: a description or one refusal each, in time, in bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vasculum.errors import VasculumError
from vasculum.formats.jobs import Limits
from vasculum.formats.limited import Examiner
from vasculum.testing.hazards import HAZARDS, write_hazards

SECONDS = 2.0
SLACK = 2.0
"""For a busy machine, and for starting a new child after one was ended."""

MEMORY = 768 * 2**20
"""What any hostile file may make a child hold; the children of a repository may hold more."""

MUST_REFUSE = {
    "deep_nest.dcm",
    "bomb.mrb",
    "torn.mrb",
    "workbook_bomb.xlsx",
    "external_entity.mrml",
    "entities.mrml",
    "climbing_path.nhdr",
    "climbing_path.mhd",
    "endless_list.nhdr",
    "no_slices.nrrd",
    "size_lie.png",
    "size_lie.tif",
    "deep.mrk.json",
    "count_lie.stl",
    "count_lie.ply",
    "count_lie.vtk",
}
"""Nothing of these can be taken; the others are described as far as they are sound, with findings."""


@pytest.fixture(scope="module")
def hazards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_hazards(tmp_path_factory.mktemp("hazards"))


@pytest.fixture(scope="module")
def examiner(hazards: dict[str, Path]) -> Iterator[Examiner]:
    with Examiner(1, Limits(memory_bytes=MEMORY)) as examiner:
        list(examiner.examine_all(hazards.values()))  # imports done
        yield examiner


@pytest.mark.parametrize("name", HAZARDS)
def test_a_hostile_file_is_described_or_refused_in_time(
    examiner: Examiner, hazards: dict[str, Path], name: str
) -> None:
    began = time.monotonic()
    found = examiner.examine(hazards[name])
    assert time.monotonic() - began < SECONDS + SLACK
    assert (found.description is None) == bool(found.refusal)
    assert len(found.refusal) < 500
    assert "\n" not in found.refusal
    assert "root:" not in repr(found)  # nothing of /etc/passwd
    if name in MUST_REFUSE:
        assert found.refusal
    if found.description is not None:
        parts = [part.name for part in found.description.parts]
        members = found.description.members
        assert not [
            path for path in (*parts, *members) if path.startswith(("/", "\\")) or ".." in path or ":" in path
        ]


@pytest.mark.parametrize("name", HAZARDS)
def test_reading_its_voxels_ends_too(examiner: Examiner, hazards: dict[str, Path], name: str) -> None:
    found = examiner.examine(hazards[name])
    if found.description is None:
        return
    parts = {part.name: hazards[name].with_name(part.name) for part in found.description.parts}
    began = time.monotonic()
    try:
        digest = examiner.voxel_print(found.description, parts)
        assert len(digest) in {0, 64}
    except VasculumError as error:
        assert "root:" not in str(error)
    # A gzip bomb may be a volume of zeros; it is read in bounded memory, at the rate that real volumes are.
    assert time.monotonic() - began < (60 if name == "bomb.nrrd" else SECONDS + SLACK)


@pytest.mark.parametrize("name", [name for name in HAZARDS if name.endswith((".mrb", ".zip"))])
def test_unpacking_stays_in_its_folder_and_budget(
    examiner: Examiner, hazards: dict[str, Path], tmp_path: Path, name: str
) -> None:
    budget = 50 * 2**20
    members = ["scene/scene.mrml", "scene/Data/a.nrrd", "../../../../tmp/pwned_by_mrb", "/tmp/pwned_by_mrb"]
    members += ["scene/Data/link", "C:\\pwned_by_mrb", "scene/a.txt", "0.zip"]
    try:
        examiner.extract(hazards[name], members, tmp_path / "a" / "b", budget)
    except VasculumError:
        return
    written = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert not [path for path in written if path.is_symlink() or not path.is_relative_to(tmp_path / "a" / "b")]
    assert sum(path.stat().st_size for path in written) <= budget
    assert not Path("/tmp/pwned_by_mrb").exists()
    assert not Path("/tmp/pwned").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_no_hostile_file_takes_much_memory(hazards: dict[str, Path]) -> None:
    with Examiner(1) as examiner:  # the limits of a repository, not those of this module
        examiner.examine(hazards["executable_preamble.dcm"])
        before = _peak(examiner)
        list(examiner.examine_all(hazards.values()))
        assert _peak(examiner) - before < 200 * 2**20


def _peak(examiner: Examiner) -> int:
    """The most memory that the one child has held, in bytes."""
    (process,) = (child._process for child in examiner._children)
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
