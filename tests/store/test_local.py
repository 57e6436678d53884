"""The store in a folder: the suite of every store, and what is its own."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vasculum.errors import Integrity, NotFound, Unavailable
from vasculum.model.records import Blob
from vasculum.store import BlobStore, Incoming, LocalStore, Refusal, Stored, durable, intake, local
from vasculum.testing.store_suite import StoreSuite, blob_of, digest, stream_of


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LocalStore]:
        with LocalStore(tmp_path / "store") as store:
            yield store

    def damage(self, store: BlobStore, sha256: str, content: bytes) -> None:
        assert isinstance(store, LocalStore)
        rot(store.root, sha256, content)


def rot(root: Path, sha256: str, content: bytes) -> None:
    """Write over an object, as a failing disk would."""
    path = root / "objects" / sha256[:2] / sha256[2:]
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store") as store:
        yield store


def everything(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_objects_lie_under_their_digest_and_are_read_only(store: LocalStore) -> None:
    store.put([stream_of(b"abc")])
    sha256 = digest(b"abc")
    path = store.path(blob_of(b"abc"))
    assert path == store.root / "objects" / sha256[:2] / sha256[2:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_hard_link_shares_the_file_and_keeps_its_mode(store: LocalStore, tmp_path: Path) -> None:
    source = tmp_path / "scan.nrrd"
    source.write_bytes(b"voxels")
    source.chmod(0o640)
    (answer,) = store.put([Incoming(source)], how="hardlink")
    assert answer == Stored(digest(b"voxels"), 6, "hardlink")
    assert store.path(answer.blob).samefile(source)
    assert stat.S_IMODE(source.stat().st_mode) == 0o640
    source.write_bytes(b"edited")
    with pytest.raises(Integrity):
        store.read(answer.blob)


def test_a_link_to_a_file_is_stored_as_the_file(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"voxels")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for how in ("hardlink", "copy"):
        (answer,) = store.put([Incoming(tmp_path / "link")], how=how)  # type: ignore[arg-type]
        assert isinstance(answer, Stored)
        assert not store.path(answer.blob).is_symlink()


def test_a_file_that_grows_while_it_is_read_is_refused(store: LocalStore, tmp_path: Path) -> None:
    source = tmp_path / "growing.raw"
    source.write_bytes(b"x" * (3 * intake.CHUNK_BYTES))

    class Writer:
        def advance(self, n: int = 1) -> None:
            with source.open("ab") as stream:
                stream.write(b"y")

        def start(self, title: str, total: int | None = None) -> None: ...

        def done(self) -> None: ...

    (answer,) = store.put([Incoming(source)], progress=Writer())
    assert answer == Refusal("growing.raw changed while it was read", "integrity")
    assert list(store.objects()) == []


def test_a_pipe_is_refused_without_waiting(store: LocalStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (answer,) = store.put([Incoming(tmp_path / "pipe")])
    assert answer == Refusal("pipe is not a regular file", "unreadable")


@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_fault_of_the_disk_refuses_and_leaves_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    store.put([stream_of(b"before")])

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    where = {
        "write": (os, "write"),
        "fdatasync": (os, "fdatasync"),
        "fsync": (local, "fsync_folder"),
        "rename": (local, "publish"),
    }[call]
    with monkeypatch.context() as patch:
        patch.setattr(*where, fail)
        (answer,) = store.put([Incoming(lambda: io.BytesIO(b"new"), digest(b"new"))])
    assert isinstance(answer, Refusal)
    assert answer.kind == "unavailable"
    assert "stream was not stored" in answer.reason
    store.close()
    left = {name for name in everything(store.root) if not name.startswith("objects/")}
    assert left == set()
    (again,) = store.put([Incoming(lambda: io.BytesIO(b"new"), digest(b"new"))])
    assert isinstance(again, Stored)


def test_a_store_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with LocalStore(tmp_path / "file" / "store") as store, pytest.raises(Unavailable):
        store.put([stream_of(b"x")])


def test_a_full_disk_refuses_the_large_and_keeps_the_small(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode
    if mounted:
        pytest.skip("mounting a small tmpfs takes root")
    try:
        with LocalStore(disk / "store") as store:
            large = [os.urandom(3 * 2**20) for _ in range(3)]
            small = [os.urandom(1000) for _ in range(20)]
            first = store.put([stream_of(content) for content in large])
            # Written at the same time, none may find room.
            assert [type(answer) for answer in first].count(Stored) <= 1
            full = next(answer for answer in first if isinstance(answer, Refusal))
            assert full == Refusal("stream was not stored: the disk is full", "unavailable")
            then = store.put([stream_of(content) for content in small])
            assert all(isinstance(answer, Stored) for answer in then)
            assert [store.read(blob_of(content)) for content in small] == small
            assert sum(size.stat().st_size for size in (disk / "store" / "tmp").rglob("*") if size.is_file()) == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_files_left_in_place_are_checked_and_never_moved(store: LocalStore, tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"schl\xfcssel.raw")
    source.write_bytes(b"in place")
    blob = Blob(sha256=digest(b"in place"), size=8, location=f"file:{source}")
    assert store.path(blob) == source
    assert store.read(blob) == b"in place"
    assert store.check(blob) == ""
    source.write_bytes(b"IN PLACE")
    for act in (store.path, store.read):
        with pytest.raises(Integrity, match=r"schl\\udcfcssel"):
            act(blob)
    assert "damaged" in store.check(blob)
    assert source.read_bytes() == b"IN PLACE"
    source.unlink()
    with pytest.raises(NotFound):
        store.path(blob)
    assert "gone" in store.check(blob)


def test_members_are_unpacked_when_asked_for(store: LocalStore, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scene.mrb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scene/Data/CT %.nrrd", b"NRRD" * 1000)
    (container,) = store.put([Incoming(tmp_path / "scene.mrb")])
    assert isinstance(container, Stored)
    content = b"NRRD" * 1000
    location = f"member:{container.sha256}/scene/Data/CT %.nrrd"
    blob = Blob(sha256=digest(content), size=len(content), location=location)
    assert store.check(blob) == ""
    path = store.path(blob)
    assert path.read_bytes() == content
    path.chmod(0o644)
    path.write_bytes(b"rot")  # a cache is made again
    assert store.read(blob) == content
    with pytest.raises(NotFound):
        store.path(Blob(sha256=digest(b"x"), size=1, location=f"member:{container.sha256}/absent"))
    wrong = Blob(sha256=digest(b"x"), size=len(content), location=location)
    with pytest.raises(Integrity):
        store.path(wrong)


def test_members_of_a_container_left_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scene.mrb", "w") as archive:
        archive.writestr("a.txt", b"text")
    sha256 = hashlib.sha256((tmp_path / "scene.mrb").read_bytes()).hexdigest()
    left = Blob(sha256=sha256, size=-1, location=f"file:{tmp_path / 'scene.mrb'}")
    with LocalStore(tmp_path / "store", container={sha256: left}.__getitem__) as store:
        blob = Blob(sha256=digest(b"text"), size=4, location=f"member:{sha256}/a.txt")
        assert store.read(blob) == b"text"


def test_large_objects_are_hashed_once_and_again_when_they_change(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "ALWAYS_CHECKED_BYTES", 10)
    hashed = []
    monkeypatch.setattr(local, "digest_of", lambda stream: hashed.append(1) or intake.digest_of(stream))
    with LocalStore(store.root) as other:
        store.put([stream_of(b"a large object")])
        blob = blob_of(b"a large object")
        for _ in range(3):
            other.path(blob)
        assert len(hashed) == 1
        rot(store.root, blob.sha256, b"A large object")
        with pytest.raises(Integrity):
            other.path(blob)


def test_scratch_of_a_dead_process_is_swept_and_of_a_living_one_kept(tmp_path: Path) -> None:
    root = tmp_path / "store"
    script = (
        "import sys, os, pathlib\n"
        "from vasculum.store.scratch import Scratch\n"
        "s = Scratch(pathlib.Path(sys.argv[1])); s.new_path().write_bytes(b'left')\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(root / "tmp")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline().strip() == b"ready"
        with LocalStore(root) as store:
            store.put([stream_of(b"x")])
            assert len([n for n in everything(root / "tmp") if not n.endswith(".lock")]) == 1
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
    with LocalStore(root) as store:
        store.put([stream_of(b"y")])
    assert everything(root / "tmp") == set()


def test_scratch_folders_last_as_long_as_the_store(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store") as store:
        folder = store.scratch_folder()
        (folder / "member").write_bytes(b"x")
        assert folder != store.scratch_folder()
        assert folder.is_relative_to(tmp_path / "store")
    assert everything(tmp_path / "store") == set()


def test_scratch_that_lost_its_lock_is_swept(tmp_path: Path) -> None:
    orphan = tmp_path / "store" / "tmp" / "0123456789abcdef"
    other = tmp_path / "store" / "tmp" / "not ours"
    for folder in (orphan, other):
        folder.mkdir(parents=True)
        (folder / "00000001").write_bytes(b"torn")
    with LocalStore(tmp_path / "store") as store:
        store.put([stream_of(b"x")])
        assert not orphan.exists()
        assert other.exists()


def test_many_processes_worth_of_threads_store_the_same_bytes(tmp_path: Path) -> None:
    contents = [bytes([n]) * 2000 for n in range(40)]
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with LocalStore(tmp_path / "store") as store:
                answers = store.put([stream_of(content) for content in contents])
                assert all(isinstance(answer, Stored) for answer in answers)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with LocalStore(tmp_path / "store") as store:
        assert set(store.objects()) == {digest(content) for content in contents}
        assert all(store.check(blob_of(content)) == "" for content in contents)


def test_writing_atomically_keeps_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    durable.write_atomically(path, b"old")

    def half(stream: io.BufferedIOBase) -> None:
        stream.write(b"ne")
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        durable.write_atomically(path, half)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == {"settings.json"}
    durable.write_atomically(path, lambda stream: stream.write(b"new") and None)
    assert path.read_bytes() == b"new"
