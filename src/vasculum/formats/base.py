"""The port of a file format: recognise by content, describe without voxels, read voxels lazily.

A format is a module or an object with these names; a plugin adds one by the hook `register_formats`. A port ships its
tests: `vasculum.testing.format_suite`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from vasculum.model.description import Description

HEAD_BYTES = 16 * 1024
"""How much of a file `recognises` is given."""

Locate = Callable[[str], Path]
"""Gives the path of a part by its name; the stored file may be called otherwise."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a file."""

    path: Path
    size: int
    start: bytes
    """Up to `HEAD_BYTES` bytes."""

    @property
    def suffixes(self) -> str:
        """The lower-case name, for ``endswith`` checks such as ``.seg.nrrd``; content comes first, names decide ties."""
        return self.path.name.lower()


@runtime_checkable
class Format(Protocol):
    """One kind of file."""

    @property
    def name(self) -> str:
        """Short name, such as ``nrrd``."""
        ...

    def recognises(self, head: Head) -> bool:
        """True where the content (and, for formats without a signature, the name) is of this format. Never raises."""
        ...

    def describe(self, path: Path) -> Description:
        """Say what the file holds. Must not load voxels, follow a path out of the file's folder, or inflate unboundedly.

        Part names are relative to the folder of `path`; the first part is `path` itself.

        Raises
        ------
        Unreadable
            The file is damaged or is not what it claims to be.
        Unsupported
            The file is sound, but of a variant that is not read.
        """
        ...


@runtime_checkable
class VoxelFormat(Format, Protocol):
    """A format that holds arrays."""

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the values after rescale, axes as in `description.voxels.axes`.

        A memory map (read-only) where the bytes allow; integers stay integers where slope and intercept are whole.

        Raises
        ------
        Unreadable
            The bytes are not what the description says.
        """
        ...


@runtime_checkable
class ContainedFormat(Format, Protocol):
    """A format whose files name others, which may lie beside or above it once a container has been unpacked."""

    def describe(self, path: Path, root: Path | None = None) -> Description:
        """Describe as `Format.describe`; parts may lie anywhere under `root` (default: the folder of `path`)."""
        ...

    names_parts: bool
    """True. Tells this port from `Format`."""


@runtime_checkable
class AssemblingFormat(Format, Protocol):
    """A format whose files make one thing only together: DICOM series, image stacks."""

    def assemble(self, items: Mapping[str, Description]) -> Sequence[Description]:
        """Sort single files into series. Keys are part names to use; every key ends in exactly one result."""
        ...
