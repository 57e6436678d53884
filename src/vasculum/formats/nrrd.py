"""NRRD: ``.nrrd`` (attached) and ``.nhdr`` (detached header); Slicer's ``.seg.nrrd`` are told by their keys.

Reads every encoding of Teem's format definition but ``block`` types; writes raw and gzip.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vasculum.errors import Unreadable
from vasculum.formats import nrrd_header as text
from vasculum.formats.base import Head, Locate
from vasculum.formats.detached import MOST_FILES, numbered_names, part_name
from vasculum.formats.nrrd_grid import Axis, Grid, grid_of
from vasculum.formats.nrrd_header import Header
from vasculum.formats.nrrd_writing import write, write_header
from vasculum.formats.plausible import label_map_hint, plausibility
from vasculum.formats.rawvoxels import block_at, read_array, unmet
from vasculum.formats.segnrrd import is_segmentation, segments_of
from vasculum.model.description import Block, Description, Part, Value, Voxels
from vasculum.model.kinds import Kind

__all__ = ["FORMATS", "Nrrd", "write", "write_header"]

MOST_SKIPPED_LINES = 100_000


class Nrrd:
    """The format ``nrrd``."""

    name = "nrrd"
    names_parts = True

    def recognises(self, head: Head) -> bool:
        """True for files that begin with ``NRRD000``."""
        return head.start.startswith(text.MAGIC)

    def describe(self, path: Path, root: Path | None = None, *, header_only: bool = False) -> Description:
        """Describe an NRRD.

        Parameters
        ----------
        path
            The ``.nrrd`` or ``.nhdr``.
        root
            Folder of an unpacked container: detached data may lie anywhere in it. By default data files must lie in
            the folder of the header.
        header_only
            True where `path` holds nothing but the header of a member of a container: the data are not looked for,
            and names of data files may climb; the caller checks them.

        Returns
        -------
        Description
            Kind segmentation where the keys name segments; `image` for two-dimensional ones; else `volume`.
            Attributes are ``nrrd.<field>`` and ``nrrd.<key>``.

        Raises
        ------
        Unreadable, Unsupported
            See `Format.describe`.
        """
        header = text.read_header(path)
        axes, grid = grid_of(header)
        names = _data_names(header, path, Path(path.absolute().anchor) if header_only else root)
        voxels = _voxels(header, axes, grid, path, names)
        findings = [*grid.findings, *(() if header_only else unmet(voxels, path.parent))]
        kind = _kind(header, axes, grid)
        modality = "MR" if header.keys.get("modality", "").strip() == "DWMRI" else ""
        if kind is not Kind.SEGMENTATION:
            findings += [f for f in (label_map_hint(path.name, voxels.dtype),) if f]
        findings += [f for f in (plausibility(grid.geometry, modality),) if f]
        parts = [Part(name=path.name, role="header" if names else "data")]
        return Description(
            format=self.name,
            kind=kind,
            parts=(*parts, *(Part(name=name, role="voxels") for name in names)),
            title=re.sub(r"(\.seg)?\.(nrrd|nhdr)$", "", path.name, flags=re.IGNORECASE),
            modality="SEG" if kind is Kind.SEGMENTATION else modality,
            geometry=grid.geometry,
            voxels=voxels,
            segments=segments_of(header.keys) if kind is Kind.SEGMENTATION else (),
            attributes=_attributes(header),
            findings=tuple(findings),
        )

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the voxels; see `rawvoxels.read_array`."""
        assert description.voxels is not None
        return read_array(description.voxels, locate)


FORMATS = (Nrrd(),)


def _kind(header: Header, axes: tuple[Axis, ...], grid: Grid) -> Kind:
    if is_segmentation(header.keys):
        return Kind.SEGMENTATION
    if len(axes) == 1:
        return Kind.DOCUMENT
    return Kind.VOLUME if "k" in grid.letters else Kind.IMAGE


def _attributes(header: Header) -> dict[str, tuple[Value, ...]]:
    attributes: dict[str, tuple[Value, ...]] = {"nrrd.version": (header.version,)}
    if header.comments:
        attributes["nrrd.comment"] = header.comments
    for name, value in header.fields.items():
        words: tuple[Value, ...] = tuple(map(int, value.split())) if name in {"sizes", "dimension"} else (value,)
        attributes[f"nrrd.{name}"] = words
    for name, value in header.keys.items():
        attributes[f"nrrd.{name}"] = (*attributes.get(f"nrrd.{name}", ()), value)
    return attributes


def _data_names(header: Header, path: Path, root: Path | None) -> tuple[str, ...]:
    """Give the part names of detached data files; empty where the data follow the header."""
    if "data file" not in header.fields:
        if not header.ended:
            raise Unreadable("the NRRD ends with its header and names no data file")
        return ()
    field = header.fields["data file"]
    listed = field.upper().split()[:1] == ["LIST"]
    names = header.file_list if listed else numbered_names(field) or (field,)
    if not 0 < len(names) <= MOST_FILES:
        raise Unreadable("the NRRD header names no data files, or too many")
    return tuple(part_name(path, name, root) for name in names)


def _voxels(header: Header, axes: tuple[Axis, ...], grid: Grid, path: Path, names: tuple[str, ...]) -> Voxels:
    encoding = text.ENCODINGS.get(header.fields.get("encoding", "").lower(), "")
    if not encoding:
        raise Unreadable("the NRRD header has no known encoding")
    letters = grid.letters
    length = {letter: axis.size for letter, axis in zip(letters, axes, strict=True)}
    order = "".join(letter for letter in reversed(letters) if letter != "-")
    order = "".join(letter for letter in "kj" if letter not in order) + order  # a flat image is one slice
    named = "".join(letter for letter in "tkjic" if letter in order)
    skip = _skips(header)
    blocks = tuple(
        _block(path.parent / name, name, header.data_offset if not names else 0, encoding, skip)
        for name in names or (path.name,)
    )
    return Voxels(
        dtype=text.dtype_of(header),
        axes=named,
        sizes=tuple(length.get(letter, 1) for letter in named),
        encoding=encoding,
        order="" if order == named else order,
        blocks=blocks,
        unit=header.fields.get("sample units", "").strip('"'),
    )


def _skips(header: Header) -> tuple[int, int]:
    try:
        lines, count = (int(header.fields.get(name, "0")) for name in ("line skip", "byte skip"))
    except ValueError as error:
        raise Unreadable("line skip or byte skip of the NRRD header is not a number") from error
    if not 0 <= lines <= MOST_SKIPPED_LINES or count < -1:
        raise Unreadable("line skip or byte skip of the NRRD header is out of range")
    return lines, count


def _block(path: Path, name: str, start: int, encoding: str, skip: tuple[int, int]) -> Block:
    """Lines are skipped before decompression, bytes after it."""
    lines, count = skip
    offset = start
    if lines and path.is_file():
        with path.open("rb") as stream:
            stream.seek(start)
            for _ in range(lines):
                stream.readline(text.MOST_HEADER_BYTES)
            offset = stream.tell()
    return block_at(name, offset, count, encoding)
