"""A store of bytes in a folder of the local file system."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, TypeVar

from vasculum.errors import Integrity, NotFound, Unavailable, VasculumError
from vasculum.model.progress import Progress
from vasculum.model.records import Blob

from .base import How, Incoming, Refusal, Stored
from .durable import flush, fsync_folder, fsync_folders, make_folder, publish, remove
from .intake import Received, digest_of, discard, fault, receive, shown
from .scratch import Scratch

ALWAYS_CHECKED_BYTES = 64 * 1024 * 1024
"""Objects up to this size are hashed at every read, larger ones at their first in this process (and by `check`)."""

GROUP_FILES = 128
"""How many files are written before they are flushed together; they stay open until then."""

_THREADS = 4

T = TypeVar("T")
R = TypeVar("R")


class LocalStore:
    """Objects at ``objects/<2 hex>/<62 hex>`` under a folder; see `vasculum.store.base.BlobStore`.

    Parameters
    ----------
    root
        The folder; made at the first `put`. ``tmp``, ``quarantine`` and ``cache`` lie beside ``objects``.
    container
        Gives the blob of a container by its digest, where containers may have been left in place.
        Default: containers are objects of this store.
    """

    def __init__(self, root: Path, *, container: Callable[[str], Blob] | None = None) -> None:
        self.root = Path(root)
        self._objects = self.root / "objects"
        self._container = container or (lambda sha256: Blob(sha256=sha256, size=-1))
        self._scratch = Scratch(self.root / "tmp")
        self._verified: set[tuple[str, int, int, int]] = set()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> LocalStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove scratch files and let threads go; the store can be used again."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        self._scratch.close()

    def scratch_folder(self) -> Path:
        """Give a fresh folder for temporary files on the disk of the store.

        It goes when the store is closed; where this process is killed, when the next one writes.

        Raises
        ------
        Unavailable
            The store cannot be written.
        """
        try:
            return self._scratch.new_folder()
        except OSError as error:
            raise Unavailable(f"the store cannot be written: {fault(error)}") from error

    # --- taking in -----------------------------------------------------------------------------------------------

    def put(
        self, incoming: Sequence[Incoming], *, how: How = "copy", progress: Progress | None = None
    ) -> list[Stored | Refusal]:
        """Write all, flush all, name all, flush the folders, then answer (DESIGN 9).

        ``how="hardlink"`` shares the file with its owner: cheap, but an edit in place there damages the object here,
        which is found at the next read. Such objects keep their mode.

        Raises
        ------
        Unavailable
            The folder of the store cannot be written at all.
        """
        if not incoming:
            return []
        try:
            make_folder(self._objects)
            self._scratch.new_path()
        except OSError as error:
            raise Unavailable(f"the store cannot be written: {fault(error)}") from error
        received: list[Received | Stored | Refusal] = []
        flushed: list[Received | Stored | Refusal] = []
        try:
            for start in range(0, len(incoming), GROUP_FILES):
                group = incoming[start : start + GROUP_FILES]
                taken = self._each(lambda item: self._receive(item, how, progress), group)
                received += taken
                flushed += self._each(lambda pair: _flushed(*pair), list(zip(group, taken, strict=True)))
            named = [self._named(item, one) for item, one in zip(incoming, flushed, strict=True)]
        finally:
            for one in received:
                if isinstance(one, Received):
                    discard(one)
        return self._settled(incoming, named)

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if len(items) < 2:
            return [function(item) for item in items]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="vasculum-store")
        return list(self._pool.map(function, items))

    def _receive(self, item: Incoming, how: How, progress: Progress | None) -> Received | Stored | Refusal:
        try:
            there = self._present(item.sha256) if item.sha256 else None
            if there is None:
                return receive(item, self._scratch.new_path(), how, progress)
        except VasculumError as error:
            return Refusal(error.message, error.kind)
        except OSError as error:
            return _not_stored(item, error)
        if progress:
            progress.advance(there.size)
        return there

    def _present(self, sha256: str) -> Stored | None:
        """Give the object where it is here and sound; a damaged one goes to quarantine, to be written anew."""
        path = self._object(sha256)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        if self._sound(path, sha256):
            return Stored(sha256, size, "present")
        self._to_quarantine(path, sha256)
        return None

    def _named(self, item: Incoming, one: Received | Stored | Refusal) -> Stored | Refusal:
        """Give a flushed file its final name."""
        if not isinstance(one, Received):
            return one
        try:
            there = self._present(one.sha256)
            if there is not None:
                return there
            final = self._object(one.sha256)
            try:
                publish(one.temporary, final)
            except FileNotFoundError:
                final.parent.mkdir(exist_ok=True)
                publish(one.temporary, final)
            self._remember(final)
        except OSError as error:
            return _not_stored(item, error)
        return Stored(one.sha256, one.size, one.how)

    def _settled(self, incoming: Sequence[Incoming], named: Sequence[Stored | Refusal]) -> list[Stored | Refusal]:
        """Flush the folders. Also those of objects that were present: who named them may have been killed."""
        folders = list({self._object(one.sha256).parent for one in named if isinstance(one, Stored)})
        folders += [self._objects] if folders else []
        failed = {f: error for f, error in zip(folders, self._each(_folder_fault, folders), strict=True) if error}
        answers = list(named)
        for number, one in enumerate(named):
            if isinstance(one, Stored):
                why = failed.get(self._object(one.sha256).parent) or failed.get(self._objects)
                answers[number] = _not_stored(incoming[number], why) if why else one
        return answers

    # --- giving out ----------------------------------------------------------------------------------------------

    def has(self, sha256: str) -> bool:
        """True where an object of that digest is here (sound or not: see `check`)."""
        return self._object(sha256).is_file()

    def path(self, blob: Blob) -> Path:
        """Give a local file with exactly these bytes, verified; see `BlobStore.path`."""
        path = self._located(blob)
        try:
            sound = self._sound(path, blob.sha256)
        except FileNotFoundError as error:
            raise NotFound(f"{called(blob)} is gone", hint=_GONE) from error
        except OSError as error:
            raise Unavailable(f"{called(blob)} cannot be read: {fault(error)}") from error
        if not sound:
            raise self._damage(blob, path)
        return path

    def open(self, blob: Blob) -> BinaryIO:
        """Open for reading, verified. Small objects are given from memory: exactly the bytes that were checked."""
        if 0 <= blob.size <= ALWAYS_CHECKED_BYTES:
            return io.BytesIO(self.read(blob))
        return self.path(blob).open("rb")

    def read(self, blob: Blob) -> bytes:
        """Give all bytes, verified as they were read."""
        path = self._located(blob)
        try:
            with path.open("rb") as stream:
                content = stream.read(blob.size + 1 if blob.size >= 0 else -1)
        except FileNotFoundError as error:
            raise NotFound(f"{called(blob)} is gone", hint=_GONE) from error
        except OSError as error:
            raise Unavailable(f"{called(blob)} cannot be read: {fault(error)}") from error
        if hashlib.sha256(content).hexdigest() != blob.sha256:
            raise self._damage(blob, path)
        return content

    def check(self, blob: Blob) -> str:
        """Read every byte again: empty if sound, else what is wrong, in one sentence. Moves nothing."""
        try:
            path = self._located(blob)
            with path.open("rb") as stream:
                sha256, _ = digest_of(stream)
        except FileNotFoundError:
            return f"{called(blob)} is gone"
        except OSError as error:
            return f"{called(blob)} cannot be read: {fault(error)}"
        except VasculumError as error:
            return error.message
        return "" if sha256 == blob.sha256 else f"{called(blob)} is damaged: its bytes have changed"

    def objects(self) -> Iterator[str]:
        """Give the digests of all objects, sorted."""
        for folder in sorted(self._objects.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if len(path.name) == _NAME_LENGTH:
                    yield folder.name + path.name

    def sweep(self, referenced: Callable[[str], bool]) -> Iterator[Blob]:
        """Give the objects that nobody refers to. Deletes nothing."""
        for sha256 in self.objects():
            if not referenced(sha256):
                yield Blob(sha256=sha256, size=self._object(sha256).stat().st_size)

    # --- places --------------------------------------------------------------------------------------------------

    def _object(self, sha256: str) -> Path:
        if len(sha256) != _DIGEST_LENGTH or set(sha256) - _HEX:
            raise NotFound("that is not a SHA-256 digest")
        return self._objects / sha256[:2] / sha256[2:]

    def _located(self, blob: Blob) -> Path:
        """Find the file of a blob; NotFound where there is none."""
        if blob.location.startswith("file:"):
            path = Path(blob.location.removeprefix("file:"))
        elif blob.location.startswith("member:"):
            return self._member(blob)
        elif not blob.location:
            path = self._object(blob.sha256)
        else:
            raise NotFound(f"{called(blob)} lies in a place of an unknown kind", hint="a newer vasculum may know it")
        if not path.is_file():
            raise NotFound(f"{called(blob)} is gone", hint=_GONE)
        return path

    def _member(self, blob: Blob) -> Path:
        """Give a member of a container from the cache; unpack it first where it is not there, or not sound."""
        cached = self.root / "cache" / "members" / blob.sha256[:2] / blob.sha256[2:]
        if cached.is_file() and self._sound(cached, blob.sha256):
            return cached
        from vasculum.formats.archive import extract

        digest, _, name = blob.location.removeprefix("member:").partition("/")
        container = self.path(self._container(digest))
        unpacked = self._scratch.new_path()
        try:
            extract(container, name, unpacked, blob.size)
            with unpacked.open("rb") as stream:
                if digest_of(stream)[0] != blob.sha256:
                    raise Integrity(f"{called(blob)} is damaged: its bytes have changed")
            cached.parent.mkdir(parents=True, exist_ok=True)
            publish(unpacked, cached)  # a cache: not flushed, since it is checked when it is used
        except OSError as error:
            raise Unavailable(f"{called(blob)} could not be unpacked: {fault(error)}") from error
        finally:
            remove(unpacked)
        self._remember(cached)
        return cached

    # --- soundness -----------------------------------------------------------------------------------------------

    def _sound(self, path: Path, sha256: str) -> bool:
        key = _seen(path)
        if key in self._verified and key[1] > ALWAYS_CHECKED_BYTES:
            return True
        with path.open("rb") as stream:
            found, _ = digest_of(stream)
        if found == sha256:
            self._verified.add(key)
        return found == sha256

    def _remember(self, path: Path) -> None:
        self._verified.add(_seen(path))

    def _damage(self, blob: Blob, path: Path) -> Integrity:
        """Move a damaged object out of the way, and give the error to raise. What is not ours is only reported."""
        if blob.location:
            return Integrity(f"{called(blob)} is not what it was when it was imported", hint="import it again")
        try:
            self._to_quarantine(path, blob.sha256)
        except OSError:
            return Integrity(f"{called(blob)} is damaged", hint="restore it from a backup")
        return Integrity(f"{called(blob)} is damaged and was moved to quarantine", hint="restore it from a backup")

    def _to_quarantine(self, path: Path, sha256: str) -> None:
        folder = self.root / "quarantine"
        make_folder(folder)
        number = sum(1 for _ in folder.glob(f"{sha256}.*"))
        try:
            path.rename(folder / f"{sha256}.{number}-{os.getpid()}")
        except FileNotFoundError:
            return  # another reader found it first
        fsync_folders((folder, path.parent))


_HEX = frozenset("0123456789abcdef")
_DIGEST_LENGTH = 64
_NAME_LENGTH = 62
_GONE = "restore it from a backup, or import it again"


def called(blob: Blob) -> str:
    """Name a blob for people: the base name of a file left in place or of a member, else the start of its digest."""
    if blob.location:
        return shown(PurePosixPath(blob.location.replace("\\", "/")).name)
    return f"object {blob.sha256[:12]}"


def _seen(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns, status.st_ino


def _flushed(item: Incoming, one: Received | Stored | Refusal) -> Received | Stored | Refusal:
    if isinstance(one, Received):
        try:
            flush(one.descriptor)
        except OSError as error:  # the pages are lost and will not be written again: never retried
            return _not_stored(item, error)
        finally:
            one.close()
    return one


def _folder_fault(folder: Path) -> OSError | None:
    try:
        fsync_folder(folder)
    except OSError as error:
        return error
    return None


def _not_stored(item: Incoming, error: OSError) -> Refusal:
    return Refusal(f"{shown(item.name)} was not stored: {fault(error)}", Unavailable.kind)
