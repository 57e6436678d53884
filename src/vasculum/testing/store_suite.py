"""What every store of bytes must pass: subclass `StoreSuite` in a test module and say how a store is made.

::

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def store(self, tmp_path):
            with MyStore(tmp_path / "store") as store:
                yield store

        def damage(self, store, sha256, content):
            ...write `content` over the object behind the store's back...
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO

import pytest

from vasculum.errors import Integrity, NotFound
from vasculum.model.records import Blob
from vasculum.store.base import BlobStore, How, Incoming, Refusal, Stored

CONTENTS = (b"", b"x", b"\x00" * 5000, bytes(range(256)) * 300, b"\r\n\x1a" * 7)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def blob_of(content: bytes) -> Blob:
    """The blob of these bytes, in the store."""
    return Blob(sha256=digest(content), size=len(content))


def stream_of(content: bytes) -> Incoming:
    """These bytes as a stream of unknown digest."""
    return Incoming(lambda: io.BytesIO(content))


class _Counted:
    """Progress that sums."""

    total = 0

    def start(self, title: str, total: int | None = None) -> None:  # noqa: ARG002
        """Not called by a store."""
        raise AssertionError("phases belong to the caller")

    def advance(self, n: int = 1) -> None:
        """Sum."""
        self.total += n

    def done(self) -> None:
        """Not called by a store."""
        raise AssertionError("phases belong to the caller")


class StoreSuite:
    """Conformance of a `BlobStore`; needs the fixture `store` and the method `damage`."""

    def damage(self, store: BlobStore, sha256: str, content: bytes) -> None:
        """Put other bytes in the place of an object, behind the store's back."""
        raise NotImplementedError

    def put_one(self, store: BlobStore, content: bytes) -> Blob:
        """Store bytes and give their blob."""
        (answer,) = store.put([stream_of(content)])
        assert isinstance(answer, Stored), answer
        return answer.blob

    def test_keeps_bytes_exactly(self, store: BlobStore) -> None:
        answers = store.put([stream_of(content) for content in CONTENTS])
        for content, answer in zip(CONTENTS, answers, strict=True):
            assert isinstance(answer, Stored)
            assert (answer.sha256, answer.size) == (digest(content), len(content))
            assert store.read(answer.blob) == content
            assert store.path(answer.blob).read_bytes() == content
            with store.open(answer.blob) as stream:
                assert stream.read() == content
            assert store.has(answer.sha256)
            assert store.check(answer.blob) == ""

    def test_keeps_files_and_leaves_them_alone(self, store: BlobStore, tmp_path: Path) -> None:
        source = tmp_path / "Ñandú 日本 %&;.bin"
        source.write_bytes(b"voxels")
        (answer,) = store.put([Incoming(source, digest(b"voxels"), 6)])
        assert answer == Stored(digest(b"voxels"), 6, "copy")
        assert source.read_bytes() == b"voxels"
        source.write_bytes(b"other")
        assert store.read(answer.blob) == b"voxels"

    def test_takes_links_where_the_disk_can_and_says_what_it_did(self, store: BlobStore, tmp_path: Path) -> None:
        hows: tuple[How, How] = ("hardlink", "reflink")
        for how in hows:
            source = tmp_path / how
            source.write_bytes(how.encode())
            (answer,) = store.put([Incoming(source)], how=how)
            assert isinstance(answer, Stored)
            assert answer.how in {how, "copy"}
            assert store.read(answer.blob) == how.encode()

    def test_stores_once_what_comes_twice(self, store: BlobStore) -> None:
        first = store.put([stream_of(b"same"), stream_of(b"same")])
        again = store.put([Incoming(lambda: io.BytesIO(b"same"), digest(b"same"))])
        hows = [answer.how for answer in (*first, *again) if isinstance(answer, Stored)]
        assert hows == ["copy", "present", "present"]
        assert list(store.objects()) == [digest(b"same")]

    def test_refuses_other_bytes_than_announced(self, store: BlobStore) -> None:
        answers = store.put(
            [
                Incoming(lambda: io.BytesIO(b"changed"), digest(b"original")),
                Incoming(lambda: io.BytesIO(b"longer than said"), size=3),
                stream_of(b"good"),
            ]
        )
        assert [type(answer) for answer in answers] == [Refusal, Refusal, Stored]
        assert all(a.kind == "integrity" and "changed" in a.reason for a in answers if isinstance(a, Refusal))
        assert list(store.objects()) == [digest(b"good")]

    def test_refuses_a_source_that_fails_and_goes_on(self, store: BlobStore, tmp_path: Path) -> None:
        class Broken(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: object) -> int:  # noqa: ARG002
                raise OSError(5, "Input/output error")

        def broken() -> BinaryIO:
            return io.BufferedReader(Broken())

        answers = store.put(
            [Incoming(tmp_path / "nowhere"), Incoming(tmp_path), Incoming(broken), stream_of(b"good")]
        )
        assert [a.kind if isinstance(a, Refusal) else "" for a in answers] == ["unreadable"] * 3 + [""]
        assert str(tmp_path.parent) not in "".join(a.reason for a in answers if isinstance(a, Refusal))
        assert list(store.objects()) == [digest(b"good")]

    def test_counts_bytes(self, store: BlobStore) -> None:
        counted = _Counted()
        for _ in range(2):  # copied, then present
            store.put([Incoming(lambda: io.BytesIO(b"x" * 100), digest(b"x" * 100))], progress=counted)
        assert counted.total == 200

    def test_says_what_is_not_there(self, store: BlobStore) -> None:
        self.put_one(store, b"something")
        absent = blob_of(b"never stored")
        assert not store.has(absent.sha256)
        for act in (store.path, store.read, store.open):
            with pytest.raises(NotFound):
                act(absent)
        assert "gone" in store.check(absent)
        with pytest.raises(NotFound):
            store.path(Blob(sha256="../../etc/passwd", size=1))

    @pytest.mark.parametrize("rot", ["flip", "cut", "grow", "empty"])
    @pytest.mark.parametrize("act", ["path", "read", "open"])
    def test_never_gives_wrong_bytes(self, store: BlobStore, rot: str, act: str) -> None:
        content = bytes(range(256)) * 8
        blob = self.put_one(store, content)
        wrong = {"flip": b"\xff" + content[1:], "cut": content[:-1], "grow": content + b"\0", "empty": b""}[rot]
        self.damage(store, blob.sha256, wrong)
        assert "damaged" in store.check(blob)
        with pytest.raises(Integrity):
            getattr(store, act)(blob)
        with pytest.raises(NotFound):  # moved out of the way
            getattr(store, act)(blob)
        assert self.put_one(store, content) == blob
        assert store.read(blob) == content

    def test_finds_objects_that_were_swapped(self, store: BlobStore) -> None:
        one, two = self.put_one(store, b"one"), self.put_one(store, b"two")
        self.damage(store, one.sha256, b"two")
        self.damage(store, two.sha256, b"one")
        for blob in (one, two):
            with pytest.raises(Integrity):
                store.read(blob)

    def test_writes_anew_what_was_damaged(self, store: BlobStore) -> None:
        blob = self.put_one(store, b"precious")
        self.damage(store, blob.sha256, b"precioux")
        (answer,) = store.put([Incoming(lambda: io.BytesIO(b"precious"), blob.sha256)])
        assert isinstance(answer, Stored)
        assert answer.how == "copy"
        assert store.read(blob) == b"precious"

    def test_lists_what_nobody_refers_to(self, store: BlobStore) -> None:
        kept, orphan = self.put_one(store, b"kept"), self.put_one(store, b"orphan")
        assert list(store.sweep(lambda sha256: sha256 == kept.sha256)) == [orphan]
        assert set(store.objects()) == {kept.sha256, orphan.sha256}
