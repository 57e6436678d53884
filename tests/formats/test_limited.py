"""Whatever a reader does to its process, the answer is one sentence about one file, and the next file is read."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vasculum.errors import Unavailable, Unreadable, Unsupported
from vasculum.formats import child
from vasculum.formats.jobs import Limits
from vasculum.formats.limited import Examiner
from vasculum.formats.tasks import safe_join
from vasculum.model.description import Description
from vasculum.model.voxels import voxel_print

posix = pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")

MISBEHAVING = """
import ctypes, os, signal, sys, time
from vasculum import hookspecs
from vasculum.errors import Unsupported
from vasculum.model.description import Description, Part
from vasculum.model.kinds import Kind
from pluggy import HookimplMarker

class PanicException(BaseException):
    pass

def deeper(n):
    return deeper(n + 1) + 1

def big():
    bytearray(2**31)

def change(path):
    path.write_bytes(path.read_bytes() + b"more")

def refuse():
    raise Unsupported("known, but not done")

def fail():
    raise ValueError("Doe^John")

def panic():
    raise PanicException("Doe^John")

def noise():
    os.write(1, b"to stdout"); os.write(2, b"to stderr"); print("Doe^John")
    assert sys.stdin is None or not os.read(0, 1)

def spin():
    while True:
        pass

ACTS = {
    "spin": spin, "sleep": lambda: time.sleep(3600), "crash": lambda: ctypes.string_at(0), "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), 9), "exit": lambda: sys.exit(3), "vanish": lambda: os._exit(0),
    "big": big, "deep": lambda: deeper(0), "refuse": refuse, "fail": fail, "panic": panic, "noise": noise,
    "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT), "close": lambda: os.closerange(0, 100),
    "write": lambda: open(os.path.join(os.environ["TMPDIR"], "large"), "wb").write(bytes(80 * 2**20)),
    "fine": lambda: None, "wide": lambda: None, "change": None,
}

class Misbehaving:
    name = "misbehaving"
    def recognises(self, head):
        return head.start.startswith(b"DO ")
    def describe(self, path):
        act = path.read_bytes().split()[1].decode()
        change(path) if act == "change" else ACTS[act]()
        attributes = {"x": ("y" * 2**21,)} if act == "wide" else {}
        return Description(format=self.name, kind=Kind.DOCUMENT, parts=(Part(name=path.name),), attributes=attributes)

class Plugin:
    @HookimplMarker("vasculum")
    def register_formats(self):
        return [Misbehaving()]

plugin = Plugin()
"""

SMALL = Limits(memory_bytes=2**30, seconds_per_file=0.6, stall_factor=2.5, output_bytes=2**20)


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examiner]:
    """Give an examiner whose children have a format that does what files say."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "misbehaving.py").write_text(MISBEHAVING, "utf-8")
    metadata = folder / "misbehaving-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[vasculum]\nmisbehaving = misbehaving:plugin\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.syspath_prepend(str(folder))
        with Examiner(2, SMALL) as examiner:
            yield examiner


def asked(folder: Path, *acts: str) -> list[Path]:
    paths = [folder / f"{number:03d}-{act}" for number, act in enumerate(acts)]
    for path, act in zip(paths, acts, strict=True):
        path.write_text(f"DO {act}\n")
    return paths


CRASHED = "its reader crashed on it"
REFUSALS = {
    "spin": "reading it takes longer than the limit",
    "sleep": "reading it takes longer than the limit",
    "crash": CRASHED,
    "abort": CRASHED,
    "kill": CRASHED,
    "vanish": CRASHED,
    "close": CRASHED,
    "exit": "it is damaged, or of a form that is not known (SystemExit)",
    "big": "reading it would take more memory than the limit",
    "deep": "it is nested too deeply",
    "refuse": "known, but not done",
    "fail": "it is damaged, or of a form that is not known (ValueError)",
    "panic": "it is damaged, or of a form that is not known (PanicException)",
    "wide": "its description is larger than the limit",
    "change": "it changed while it was read",
    "write": "it cannot be read: File too large",
    "fine": "",
    "noise": "",
    "interrupt": "",
}


@posix
@pytest.mark.parametrize("act", REFUSALS)
def test_every_misbehaviour_is_one_sentence(misbehaving: Examiner, tmp_path: Path, act: str) -> None:
    before, path, after = asked(tmp_path, "fine", act, "fine")
    found = list(misbehaving.examine_all([before, path, after]))
    assert [one.path for one in found] == [str(before), str(path), str(after)]
    assert found[1].refusal == REFUSALS[act]
    assert found[0].refusal == found[2].refusal == ""
    assert (found[1].description is None) == bool(REFUSALS[act])


@posix
def test_many_misbehaviours_do_not_disturb_their_neighbours(misbehaving: Examiner, tmp_path: Path) -> None:
    bad = ["crash", "big", "panic", "kill", "wide", "crash", "crash", "fail"]
    acts = [act for one in bad for act in (one, "fine", "fine", "noise")]
    paths = asked(tmp_path, *acts)
    found = list(misbehaving.examine_all(paths))
    assert [one.path for one in found] == [str(path) for path in paths]
    assert [one.refusal for one in found] == [REFUSALS[act] for act in acts]


@posix
def test_a_hang_is_ended_in_time(misbehaving: Examiner, tmp_path: Path) -> None:
    (warm, *paths) = asked(tmp_path, "fine", "spin", "sleep")
    list(misbehaving.examine_all([warm] * 8))
    for path in paths:
        began = time.monotonic()
        assert misbehaving.examine(path).refusal
        assert time.monotonic() - began < 0.6 * 2.5 + 2


@posix
def test_closing_does_not_wait_for_a_hang(tmp_path: Path) -> None:
    (path,) = asked(tmp_path, "fine")
    os.truncate(path, 2**36)  # sparse: hashing it takes a minute
    examiner = Examiner(1)

    def examine() -> None:
        with pytest.raises(Unavailable, match="stopped"):
            examiner.examine(path)

    thread = threading.Thread(target=examine)
    thread.start()
    time.sleep(1.5)
    began = time.monotonic()
    examiner.close()
    thread.join()
    assert time.monotonic() - began < 5


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with Examiner(2) as examiner:
        yield examiner


def test_files_come_back_in_order_with_digest_size_and_time(examiner: Examiner, tmp_path: Path) -> None:
    paths = []
    for number in range(300):
        path = tmp_path / f"Ñandú 日本 %&; {number}.txt"
        path.write_text(f"note {number}")
        paths.append(path)

    class Counted:
        count = 0

        def advance(self, n: int = 1) -> None:
            self.count += n

        def start(self, title: str, total: int | None = None) -> None: ...

        def done(self) -> None: ...

    counted = Counted()
    found = list(examiner.examine_all(paths, progress=counted))
    assert counted.count == 300
    for path, one in zip(paths, found, strict=True):
        status = path.stat()
        assert one.path == str(path)
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (one.size, one.mtime_ns, one.refusal) == (status.st_size, status.st_mtime_ns, "")
        assert isinstance(one.description, Description)


@posix
def test_what_is_no_file_is_refused_without_waiting(examiner: Examiner, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        (tmp_path / "empty").touch()
        names = ("folder", "pipe", "socket", "dangling", "absent", "empty")
        began = time.monotonic()
        found = list(examiner.examine_all([*(tmp_path / name for name in names), Path("/dev/zero")]))
    assert [one.refusal for one in found] == [
        "it is a folder, not a file",
        "it is a pipe, not a file",
        "it is a socket, not a file",
        "it is a link that leads nowhere",
        "it is no longer there",
        "the file is empty",
        "it is a device, not a file",
    ]
    assert time.monotonic() - began < 4


@posix
def test_names_that_are_not_utf8_are_read(examiner: Examiner, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"sch\xe4del.txt")
    path.write_text("text")
    found = examiner.examine(path)
    assert found.path == str(path)
    assert found.description is not None
    assert found.description.parts[0].name == path.name


def nrrd(path: Path, array: np.ndarray, spacing: float = 1.0) -> Path:
    kind = {"int16": "short", "uint8": "uint8"}[array.dtype.name]
    sizes = " ".join(map(str, array.shape[::-1]))
    head = (
        f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: {sizes}\nencoding: raw\nendian: little\n"
        f"space: left-posterior-superior\nspace directions: ({spacing},0,0) (0,{spacing},0) (0,0,{spacing})\n"
        "space origin: (0,0,0)\n\n"
    )
    path.write_bytes(head.encode() + array.tobytes())
    return path


def test_voxel_prints_are_those_of_the_model(examiner: Examiner, tmp_path: Path) -> None:
    arrays = [np.random.default_rng(n).integers(-99, 999, (5, 6, 7)).astype("<i2") for n in range(6)]
    paths = [nrrd(tmp_path / f"{n}.nrrd", array) for n, array in enumerate(arrays)]
    described = [one.description for one in examiner.examine_all(paths)]
    jobs = [(d, {d.parts[0].name: path}) for d, path in zip(described, paths, strict=True) if d is not None]
    expected = [str(voxel_print(array, np.eye(4))) for array in arrays]
    assert list(examiner.voxel_prints(jobs)) == expected
    assert examiner.voxel_print(*jobs[0]) == expected[0]


def test_a_print_larger_than_the_memory_limit_is_made_from_the_mapped_file(tmp_path: Path) -> None:
    array = np.zeros((300, 512, 512), "<i2")  # 157 MB
    path = nrrd(tmp_path / "large.nrrd", array)
    with Examiner(1, Limits(memory_bytes=600 * 2**20)) as examiner:
        description = examiner.examine(path).description
        assert description is not None
        assert examiner.voxel_print(description, {path.name: path}) == str(voxel_print(array, np.eye(4)))


def test_voxels_that_cannot_be_read_are_an_error_in_their_place(examiner: Examiner, tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", np.zeros((5, 6, 7), "<i2"))
    description = examiner.examine(path).description
    assert description is not None
    os.truncate(path, 300)
    good = nrrd(tmp_path / "b.nrrd", np.zeros((5, 6, 7), "<i2"))
    jobs = [(description, {"a.nrrd": path}), (description, {"a.nrrd": good}), (description, {})]
    answers = list(examiner.voxel_prints(jobs))
    assert [type(answer) for answer in answers] == [Unreadable, str, Unreadable]
    with pytest.raises(Unreadable):
        examiner.voxel_print(*jobs[0])


def test_what_has_no_place_in_space_has_no_print(examiner: Examiner, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    description = examiner.examine(path).description
    assert description is not None
    assert examiner.voxel_print(description, {"a.txt": path}) == ""


def test_assembling_needs_a_format_that_does(examiner: Examiner) -> None:
    with pytest.raises(Unsupported):
        examiner.assemble("no-such-format", {})
    with pytest.raises(Unreadable):
        examiner.assemble("nrrd", {})


def test_members_are_unpacked_in_place_and_within_the_budget(examiner: Examiner, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scene.mrb", "w") as archive:
        archive.writestr("scene/Data/a.nrrd", b"a" * 1000)
        archive.writestr("scene/b %.txt", b"b" * 1000)
        archive.writestr("../climbing.txt", b"c")
    folder = tmp_path / "out" / "unpacked"
    members = ["scene/Data/a.nrrd", "../climbing.txt", "scene/b %.txt", "scene/absent"]
    found = examiner.extract(tmp_path / "scene.mrb", members, folder, budget=5000)
    assert [bool(one.refusal) for one in found] == [False, True, False, True]
    assert (folder / "scene/Data/a.nrrd").read_bytes() == b"a" * 1000
    assert found[2].path == str(folder / "scene/b %.txt")
    assert not (tmp_path / "out" / "climbing.txt").exists()
    tight = examiner.extract(tmp_path / "scene.mrb", members, tmp_path / "tight", budget=1500)
    assert [bool(one.refusal) for one in tight] == [False, True, True, True]


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/a", "\\a", "C:\\a", "C:a", "", ".", "a\0b", "..\\a", "//h/s/a"]
)
def test_no_member_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unreadable):
        safe_join(tmp_path, name)


def test_a_child_that_cannot_start_is_said_to_be_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(child.sys, "executable", str(tmp_path / "no-python"))
    with Examiner(1) as examiner, pytest.raises(Unavailable):
        examiner.examine(tmp_path)


def test_a_script_without_a_main_guard_works_and_ignores_modules_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('a module of the data folder was imported')")
    (tmp_path / "a.txt").write_text("text")
    script = (
        "from pathlib import Path\nfrom vasculum.formats.limited import Examiner\n"
        "with Examiner(2) as e:\n    print([f.refusal for f in e.examine_all([Path('a.txt')] * 3)])\n"
    )
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "['', '', '']", done.stderr
