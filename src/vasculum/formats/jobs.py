"""What a limited child process can be asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from vasculum.model.description import Description

GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one untrusted file may take. Time is processor time where the system can count it (POSIX)."""

    memory_bytes: int = 3 * GIBIBYTE
    """Private memory of a child. Mapped files come on top."""
    seconds_per_file: float = 2.0
    """For looking at a file of any size; reading its bytes is allowed for on top."""
    bytes_per_second: float = 50e6
    """The slowest rate at which bytes are hashed and walked through."""
    voxels_seconds: float = 10.0
    """For reading the voxels of a volume of any size."""
    voxel_bytes_per_second: float = 10e6
    """The slowest rate at which voxels are decoded, in decoded bytes."""
    stall_factor: float = 5.0
    """How much longer than its processor time a file may take by the clock: a slow disk, a busy machine."""
    output_bytes: int = 64 * 2**20
    """The longest answer, and the longest file that describing a file may leave in a temporary folder."""

    def examine_seconds(self, size: int) -> float:
        """Processor seconds for describing and hashing a file of that many bytes."""
        return self.seconds_per_file + size / self.bytes_per_second

    def voxel_seconds(self, size: int) -> float:
        """Processor seconds for decoding that many bytes of voxels."""
        return self.voxels_seconds + size / self.voxel_bytes_per_second


class Examine(msgspec.Struct, tag=True, frozen=True):
    """Hash and describe a file; answers a `FoundFile`."""

    path: str
    root: str = ""
    """For a member of a container: the folder into which the container was unpacked."""


class Assemble(msgspec.Struct, tag=True, frozen=True):
    """Sort single files into series; answers a list of `Description`."""

    format: str
    items: dict[str, Description]


class Print(msgspec.Struct, tag=True, frozen=True):
    """Fingerprint the voxels of a description; answers a string, empty where they have no place in space."""

    description: Description
    parts: dict[str, str]


class Extract(msgspec.Struct, tag=True, frozen=True):
    """Unpack members of a container under a folder; answers a list of `Unpacked`."""

    container: str
    members: tuple[str, ...]
    folder: str
    budget: int


Task: TypeAlias = Examine | Assemble | Print | Extract


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A member of a container, unpacked or not."""

    member: str
    path: str = ""
    """Where it lies now; empty where it was refused."""
    refusal: str = ""


class Job(msgspec.Struct, frozen=True):
    """A task with what it may take."""

    task: Task
    seconds: float
    memory_bytes: int
    """Private memory."""
    mapped_bytes: int = 0
    """Mapped files on top of it."""
    written_bytes: int = 64 * 2**20
    """The longest file it may write."""


class Answer(msgspec.Struct, frozen=True):
    """The value of a task (`wire`), or why there is none."""

    value: bytes = b""
    refusal: str = ""
    kind: str = ""
    """`VasculumError.kind` of the refusal."""
