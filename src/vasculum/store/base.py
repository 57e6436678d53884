"""The port of a store of bytes: content-addressed by SHA-256, durable when acknowledged, verified when read.

A store ships its tests: `vasculum.testing.store_suite`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from vasculum.model.progress import Progress
from vasculum.model.records import Blob

How = Literal["copy", "hardlink", "reflink"]
"""How local files are taken in. What a disk cannot do is done by copy, and `Stored.how` says so."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Bytes to be stored."""

    source: Path | Callable[[], BinaryIO]
    """A file, or a function that opens a stream; called once, the stream is closed after use."""
    sha256: str = ""
    """The digest that was seen before, if it was: other bytes are refused. Empty: whatever comes."""
    size: int | None = None
    """The size that was seen before; a stream that is longer is cut off and refused."""

    @property
    def name(self) -> str:
        """Base name for messages."""
        return self.source.name if isinstance(self.source, Path) else "stream"


@dataclass(frozen=True, slots=True)
class Stored:
    """These bytes are on the disk, under their digest, whatever happens now."""

    sha256: str
    size: int
    how: Literal["copy", "hardlink", "reflink", "present"] = "copy"
    """``present``: they were there already, and sound."""

    @property
    def blob(self) -> Blob:
        """The same for the catalogue."""
        return Blob(sha256=self.sha256, size=self.size)


@dataclass(frozen=True, slots=True)
class Refusal:
    """These bytes were not stored."""

    reason: str
    """One sentence with the base name and the fault."""
    kind: str
    """`VasculumError.kind` of the fault: ``unreadable`` (the source), ``integrity`` (it changed), ``unavailable``
    (the disk of the store: full, failing, not writable; trying again later may work)."""


@runtime_checkable
class BlobStore(Protocol):
    """Bytes by their SHA-256."""

    def put(
        self, incoming: Sequence[Incoming], *, how: How = "copy", progress: Progress | None = None
    ) -> list[Stored | Refusal]:
        """Store a group, durably: one answer each, in order. Nothing of a refused one stays behind.

        Parameters
        ----------
        incoming
            What to store.
        how
            How local files are taken in.
        progress
            Advanced by bytes, from several threads.

        Raises
        ------
        Unavailable
            The store cannot be written at all.
        """
        ...

    def has(self, sha256: str) -> bool:
        """True where an object of that digest is here (sound or not: see `check`)."""
        ...

    def path(self, blob: Blob) -> Path:
        """Give a local file with exactly these bytes, verified. Not to be written to.

        Raises
        ------
        NotFound
            There is no such object, or the file that was left in its place is gone.
        Integrity
            The bytes are others. A damaged object is moved to quarantine; a file left in place is only reported.
        Unavailable
            The disk cannot be read, or a cache not written.
        """
        ...

    def open(self, blob: Blob) -> BinaryIO:
        """Open for reading, verified. Raises as `path`."""
        ...

    def read(self, blob: Blob) -> bytes:
        """Give all bytes, verified. Raises as `path`."""
        ...

    def check(self, blob: Blob) -> str:
        """Read every byte again: empty if sound, else what is wrong, in one sentence. Moves nothing."""
        ...

    def objects(self) -> Iterator[str]:
        """Give the digests of all objects."""
        ...

    def sweep(self, referenced: Callable[[str], bool]) -> Iterator[Blob]:
        """Give the objects that nobody refers to. Deletes nothing."""
        ...

    def close(self) -> None:
        """Give scratch space back."""
        ...
