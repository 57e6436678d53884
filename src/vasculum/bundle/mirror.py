"""Members of a container as files: what a reader needs to see on disk is put into a scratch folder, and no more.

Voxels of stored members are not copied: they are mapped where they lie in the zip.
"""

from __future__ import annotations

import math
import posixpath
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Locate
from vasculum.model.description import Block, Description, Voxels

from .container import MAX_INFLATED, ContainerReader

HEADER_LIMIT = 64 * 1024 * 1024
"""Bytes of an NRRD header at the most."""

NRRD_SUFFIXES = (".nrrd", ".nhdr")

_HEADER_END = re.compile(rb"\r?\n\r?\n")


class Mirror:
    """A scratch folder that holds members of a container under their names.

    Parameters
    ----------
    reader
        The open container.
    """

    def __init__(self, reader: ContainerReader) -> None:
        self.reader = reader
        self._folder = tempfile.TemporaryDirectory(
            prefix="vasculum-",
            ignore_cleanup_errors=True,  # Windows keeps files that are still mapped
        )
        self.root = Path(self._folder.name).resolve()
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        """Delete the folder."""
        self._folder.cleanup()

    def path(self, name: str) -> Path:
        """Give a whole member as a file, unpacked once, within `MAX_INFLATED` bytes.

        Raises
        ------
        Unreadable, Integrity
            No such member, too large, or damaged.
        """
        target = self._target(name)
        if not target.exists():
            with target.open("xb") as stream:
                for chunk in self.reader.stream(name, limit=MAX_INFLATED):
                    stream.write(chunk)
        return target

    def describe(self, name: str) -> tuple[Description, Locate]:
        """Describe a member by its content, and say where its parts are to be read.

        Raises
        ------
        Unreadable, Unsupported
            As `Format.describe`; also where a header points outside the container.
        """
        from vasculum.formats import registry

        if name.lower().endswith(NRRD_SUFFIXES):
            return self._describe_nrrd(name)
        path = self.path(name)
        return registry.describe(path), lambda part: path.parent / part

    def read(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the voxels of a described member; a memory map into the container where the bytes allow."""
        from vasculum.formats.registry import format_named

        return np.asanyarray(format_named(description.format).read_voxels(description, locate))  # type: ignore[attr-defined]

    def _target(self, name: str) -> Path:
        # Not under its own name: the file system of the reader may not take it.
        number = self._numbers.setdefault(name, len(self._numbers))
        suffix = "".join(re.findall(r"\.[A-Za-z0-9]{1,8}", posixpath.basename(name))[-2:])
        folder = self.root / f"{number}"
        folder.mkdir(exist_ok=True)
        return folder / f"member{suffix}"

    def _describe_nrrd(self, name: str) -> tuple[Description, Locate]:
        """Describe an NRRD by its header alone, and point its blocks into the container."""
        from vasculum.formats.nrrd import Nrrd

        folder = self._target(name).parent / "header"
        header = folder.joinpath(*["up"] * name.count("/"), "header.nhdr")  # as deep as in the container
        if not header.exists():
            header.parent.mkdir(parents=True)
            header.write_bytes(self._header_of(name))
        description = Nrrd().describe(header, root=folder)
        if description.attributes.get("nrrd.line skip", ("0",))[0] != "0":
            raise Unsupported("an NRRD inside a container that skips lines is not read", hint="unpack it first")
        title = re.sub(r"(\.seg)?\.(nrrd|nhdr)$", "", posixpath.basename(name), flags=re.IGNORECASE)
        voxels = description.voxels
        if voxels is None:
            return replace(description, title=title), lambda _: self.reader.path
        own = description.parts[0].name
        members = {b.part: name if b.part == own else inside(name, b.part) for b in voxels.blocks}
        blocks = tuple(self._placed(b, members[b.part], voxels) for b in voxels.blocks)
        mapped = voxels.encoding == "raw"  # what is compressed twice over has to be unpacked once
        files = {m: self.reader.path if mapped and self._lies_plain(m) else self.path(m) for m in members.values()}
        return replace(description, title=title, voxels=replace(voxels, blocks=blocks)), files.__getitem__

    def _lies_plain(self, name: str) -> bool:
        return self.reader.offset(name) is not None

    def _placed(self, block: Block, member: str, voxels: Voxels) -> Block:
        """Turn an offset in a member into one in the container, and check that the voxels end inside the member."""
        size = self.reader.size(member)
        share = math.prod(voxels.sizes) * np.dtype(voxels.dtype).itemsize // len(voxels.blocks)
        if voxels.encoding == "raw":
            start = size - share if block.skip == -1 else block.offset + block.skip
            if start < 0 or start + share > size:
                raise Unreadable(f"the header wants {share} bytes that are not in {posixpath.basename(member)!r}")
            return replace(block, part=member, offset=start + (self.reader.offset(member) or 0), skip=0)
        return replace(block, part=member)

    def _header_of(self, name: str) -> bytes:
        content = b""
        for chunk in self.reader.stream(name):
            content += chunk
            if end := _HEADER_END.search(content):
                return content[: end.end()]
            if len(content) > HEADER_LIMIT:
                raise Unreadable("the NRRD header has no end")
        return content


def inside(base: str, target: str) -> str:
    """Resolve a path that a member names, relative to that member, to a member name.

    Raises
    ------
    Unreadable
        It is absolute or leads out of the container.
    """
    tidy = target.replace("\\", "/")
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), tidy))
    if tidy.startswith("/") or re.match(r"[A-Za-z]:", tidy) or joined in {".", ".."} or joined.startswith("../"):
        raise Unreadable("a link leads out of the container", hint="it is not followed")
    return joined
