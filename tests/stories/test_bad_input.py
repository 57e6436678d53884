"""Bad input of every kind in one folder: a clear line for each, the rest is in, the repository is sound."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vasculum
from tests.command import Called
from tests.stories.conftest import start
from vasculum.model.kinds import Severity
from vasculum.testing.hazards import write_hazards

GOOD = ("good.nrrd", "spaces and 50 %&; [x].nrrd", "Ñandú 日本.nrrd", "-o.nrrd", "#1?.nrrd")
LIMIT_SECONDS = 60
_NRRD = "NRRD0004\ntype: int16\ndimension: 3\nsizes: 4 3 2\nspace: left-posterior-superior\n"
_PLACE = "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nendian: little\nencoding: raw\n"


def _nrrd(value: int = 0, place: str = _PLACE) -> bytes:
    return f"{_NRRD}{place}\n".encode() + np.full(24, value, np.int16).tobytes()


DAMAGED = {
    "cut off.nrrd": "truncated",
    "not a number.nrrd": "not finite numbers",
    "huge.nrrd": "truncated",
    "missing.nhdr": "missing",
    "cut in half.nii.gz": "cannot be read",
}
"""Kept with a warning: their header can be read, and the bytes may be all that is left of them."""


def _write_bad(folder: Path, shared_data: Path) -> dict[str, str]:
    """Write what is refused, each with words of the refusal; and what is damaged."""
    ct = next((shared_data / "dicom-ct/Slicer/CTHeadAxialDicom").iterdir()).read_bytes()
    mouse = (shared_data / "specimen-mouse-ct/mouse_CT_atlas/targets/C57BL6_J_.nii.gz").read_bytes()
    bad: dict[str, tuple[bytes, str]] = {
        "empty.nrrd": (b"", "empty"),
        "cut off.nrrd": (_nrrd()[:-7], ""),
        "not a number.nrrd": (_nrrd(place=_PLACE.replace("(1,0,0)", "(nan,0,0)")), ""),
        "no slices.nrrd": (_nrrd().replace(b"sizes: 4 3 2", b"sizes: 4 3 0"), "sizes"),
        "huge.nrrd": (_nrrd().replace(b"sizes: 4 3 2", b"sizes: 4000000 3000000 2000000"), ""),
        "outside.nhdr": (f"{_NRRD}{_PLACE}data file: ../../secret.raw\n".encode(), "points outside"),
        "absolute.nhdr": (f"{_NRRD}{_PLACE}data file: /etc/passwd\n".encode(), "points outside"),
        "missing.nhdr": (f"{_NRRD}{_PLACE}data file: nowhere.raw\n".encode(), ""),
        "entities.mrml": (
            b'<!DOCTYPE MRML [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><MRML version="Slicer5"><View name="&b;"/></MRML>',
            "entities",
        ),
        "external.mrml": (
            b'<!DOCTYPE MRML [<!ENTITY a SYSTEM "file:///etc/passwd">]><MRML version="Slicer5"><View name="&a;"/></MRML>',
            "entities",
        ),
        "cut in the header.dcm": (ct[:300], "beyond the end"),
        "cut in half.nii.gz": (mouse[: len(mouse) // 2], ""),
    }
    for name, (content, _) in bad.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "bomb.mrb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scene/scene.mrml", "<MRML/>")
        for number in range(4):
            archive.writestr(f"scene/Data/zeros{number}.nrrd", bytes(100_000_000))
    (folder / "dangling.nrrd").symlink_to(folder / "nowhere")
    refused = {name: word for name, (_, word) in bad.items() if name not in DAMAGED}
    return {**refused, "bomb.mrb": "would unpack", "dangling.nrrd": "leads nowhere"}


@dataclass(frozen=True)
class Story:
    """An import of good and bad files."""

    folder: Path
    root: Path
    called: Called
    bad: dict[str, str]

    def entry(self, name: str) -> Any:
        (entry,) = [e for e in self.called.json["files"] if Path(e["path"]).name == name]
        return entry


@pytest.fixture(scope="module")
def story(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Import the folder once."""
    base = tmp_path_factory.mktemp("bad input")
    folder = base / "scans"
    folder.mkdir()
    (base / "secret.raw").write_bytes(bytes(48))
    for number, name in enumerate(GOOD):
        (folder / name).write_bytes(_nrrd(number + 1))
    bad = _write_bad(folder, shared_data)
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(folder) + b"/bad\xe4\xff.nrrd")).write_bytes(_nrrd(99))
    (folder / "an empty folder").mkdir()
    root = base / "repository"
    return Story(folder, root, start("import", folder, "--repo", root, "--json", seconds=LIMIT_SECONDS), bad)


def test_each_bad_file_has_a_reason_and_each_good_one_is_in(story: Story) -> None:
    assert story.called.code == 1
    for name in story.bad:
        entry = story.entry(name)
        assert entry["outcome"] in {"refused", "skipped"}, entry
        assert len(entry["reason"].split()) >= 3 and story.bad[name] in entry["reason"], entry
        assert "Error" not in entry["reason"] and "0x" not in entry["reason"], entry
    for name in GOOD:
        assert story.entry(name)["outcome"] == "imported", story.entry(name)
    for name, words in DAMAGED.items():
        entry = story.entry(name)
        assert entry["outcome"] == "imported" and words in entry["reason"], entry


def test_the_repository_is_sound_and_the_good_voxels_are_there(story: Story) -> None:
    assert start("check", "--all", "--repo", story.root).code == 0
    with vasculum.open_repository(story.root) as repository:
        sound = [
            s for s in repository.find("kind:volume") if all(f.severity is not Severity.ERROR for f in s.findings)
        ]
        volumes = {s.voxels().ravel()[0]: s for s in sound}
        wanted = {*range(1, len(GOOD) + 1)} | ({99} if sys.platform == "linux" else set())
        assert volumes.keys() == wanted


def test_people_read_one_line_for_each(story: Story, tmp_path: Path) -> None:
    told = start("import", "--plan", "--all", story.folder, "--repo", tmp_path / "none")
    assert told.code == 1
    for name in (*story.bad, *(name.partition(".")[0] for name in DAMAGED)):
        assert name in told.out, name
    assert "passwd:" not in told.out and "root:" not in told.out


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not Unicode")
def test_a_name_that_is_not_unicode_is_told_exactly(story: Story, tmp_path: Path) -> None:

    (entry,) = [e for e in story.called.json["files"] if "path_base64" in e]
    assert entry["outcome"] == "imported"
    assert base64.b64decode(entry["path_base64"]).endswith(b"/bad\xe4\xff.nrrd")
    written = start("export", "", "-o", tmp_path / "out", "--json", "--repo", story.root)
    assert written.code == 0, written.err
    assert len(written.json["written"]) == len(GOOD) + len(DAMAGED) + 1


@pytest.mark.parametrize("name", list(DAMAGED))
def test_what_is_damaged_is_packed_as_it_came(story: Story, tmp_path: Path, name: str) -> None:
    bundle = tmp_path / "damaged.mrb"
    packed = start("pack", name.partition(".")[0], "-o", bundle, "--repo", story.root, "--json")
    assert packed.code == (0 if name == "not a number.nrrd" else 1), packed.err
    assert start("check", bundle).code == 0
    if packed.code:
        assert len(packed.json["left_out"]) == 1
        with zipfile.ZipFile(bundle) as archive:
            (kept,) = [m for m in archive.namelist() if m.startswith("original/")]
            assert archive.read(kept) == (story.folder / name).read_bytes()


def test_nothing_of_hostile_files_gets_out(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    made = write_hazards(folder)
    (folder / "good.nrrd").write_bytes(_nrrd())
    before = {p for p in tmp_path.parent.rglob("*") if tmp_path not in p.parents}
    called = start("import", folder, "--repo", tmp_path / "repository", "--json", seconds=120)
    assert called.code in (0, 1)
    told = {Path(e["path"]).name: e for e in called.json["files"] if "!/" not in e["path"]}
    assert set(made) <= set(told)
    assert told["good.nrrd"]["outcome"] == "imported"
    assert all(e["reason"] for e in told.values() if e["outcome"] in {"refused", "skipped"})
    assert {p for p in tmp_path.parent.rglob("*") if tmp_path not in p.parents} == before
    assert start("check", "--all", "--repo", tmp_path / "repository").code == 0


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    called = start("import", tmp_path / "empty", "--repo", tmp_path / "repository")
    assert called.code == 0
    assert "empty" in called.out or "no file" in called.out.lower()
    assert start("import", tmp_path / "empty", "--repo", tmp_path / "repository", "--json").json["files"] == []


def test_a_path_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    called = start("import", tmp_path / "nowhere", "--repo", tmp_path / "repository")
    assert (called.code, called.out) == (3, "")
    assert "nowhere" in called.err


@pytest.mark.skipif(os.name != "posix", reason="needs a fifo and a socket")
def test_things_that_are_no_files_do_not_stop_it(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    os.mkfifo(folder / "fifo.nrrd")
    (folder / "good.nrrd").write_bytes(_nrrd())
    (folder / "round").symlink_to(folder, target_is_directory=True)
    listening = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        listening.bind("socket.nrrd")
    finally:
        os.chdir(here)
    with listening:
        called = start("import", folder, "--repo", tmp_path / "repository", "--json", seconds=LIMIT_SECONDS)
    told = {Path(e["path"]).name: e for e in called.json["files"]}
    assert told["good.nrrd"]["outcome"] == "imported"
    for name in ("fifo.nrrd", "socket.nrrd"):
        assert told[name]["outcome"] in {"refused", "skipped"}
        assert told[name]["reason"]


@pytest.mark.skipif(
    os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything"
)
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "closed.nrrd").write_bytes(_nrrd())
    (folder / "closed.nrrd").chmod(0)
    called = start("import", folder, "--repo", tmp_path / "repository", "--json")
    (entry,) = called.json["files"]
    assert (called.code, entry["outcome"]) == (1, "refused")


def test_a_file_that_changes_while_it_is_read_is_refused_or_whole(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    growing = folder / "growing.nrrd"
    head = _nrrd().split(b"\n\n")[0].replace(b"sizes: 4 3 2", b"sizes: 256 256 64") + b"\n\n"
    body = bytes(256 * 256 * 64 * 2)
    growing.write_bytes(head + body)
    (folder / "good.nrrd").write_bytes(_nrrd(7))
    done = threading.Event()

    def scribble() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            with growing.open("r+b") as stream:
                stream.seek(len(head) + (turn * 4096) % len(body))
                stream.write(turn.to_bytes(8, "little"))

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        called = start("import", folder, "--repo", tmp_path / "repository", "--json", seconds=LIMIT_SECONDS)
    finally:
        done.set()
        writer.join()
    told = {Path(e["path"]).name: e for e in called.json["files"]}
    assert told["good.nrrd"]["outcome"] == "imported"
    assert told["growing.nrrd"]["outcome"] == "refused"
    assert "chang" in told["growing.nrrd"]["reason"]
    assert called.code == 1
    assert start("check", "--all", "--repo", tmp_path / "repository").code == 0
    again = start("import", folder, "--repo", tmp_path / "repository", "--json")
    assert {e["outcome"] for e in again.json["files"]} == {"imported", "known"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of six megabytes, or skip."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if sys.platform != "linux" or os.geteuid() != 0 or not mount or not umount:
        pytest.skip("only root can mount a small disk, on Linux")
    place = tmp_path / "small disk"
    place.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run([umount, str(place)], check=True)


def test_a_full_disk_is_said_and_the_import_goes_on_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    head = _nrrd().split(b"\n\n")[0].replace(b"sizes: 4 3 2", b"sizes: 100 100 50") + b"\n\n"
    for number in range(10):  # ten megabytes
        random = np.random.default_rng(number).integers(-500, 500, 500_000, np.int16)
        (folder / f"v{number}.nrrd").write_bytes(head + random.tobytes())
    root = small_disk / "repository"
    called = start("import", folder, "--repo", root, "--json")
    assert called.code == 1, called.err
    outcomes = [e["outcome"] for e in called.json["files"]]
    assert outcomes.count("refused") >= 4
    reasons = {e["reason"] for e in called.json["files"] if e["outcome"] == "refused"}
    assert all("disk" in reason or "space" in reason for reason in reasons), reasons
    assert start("check", "--all", "--repo", root).code == 0
    assert len(start("find", "--json", "--repo", root).json) == outcomes.count("imported")
    mount = shutil.which("mount")
    assert mount
    subprocess.run([mount, "-o", "remount,size=60m", str(small_disk)], check=True)
    again = start("import", folder, "--repo", root, "--json")
    assert again.code == 0
    assert {e["outcome"] for e in again.json["files"]} <= {"imported", "known"}
    assert start("check", "--all", "--repo", root).code == 0
    bundle = start(
        "pack", start("find", "--json", "--repo", root).json[0]["id"], "-o", small_disk / "a.mrb", "--repo", root
    )
    assert bundle.code in (0, 3)


def test_packing_onto_a_full_disk_leaves_nothing(small_disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    head = _nrrd().split(b"\n\n")[0].replace(b"sizes: 4 3 2", b"sizes: 200 200 100") + b"\n\n"
    voxels = np.random.default_rng(5).integers(-500, 500, 4_000_000, np.int16)
    (folder / "large.nrrd").write_bytes(head + voxels.tobytes())
    root = tmp_path / "repository"
    start("import", folder, "--repo", root)
    called = start("pack", "large", "-o", small_disk / "a.mrb", "--repo", root)
    assert (called.code, called.out) == (3, "")
    assert "a.mrb" in called.err
    assert list(small_disk.iterdir()) == []
