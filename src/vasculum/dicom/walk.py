"""One pass over a DICOM header: tags, representations, value bytes, where the pixels lie (PS3.5 chapter 7, PS3.10).

Our own walk, since it is several times as fast as a general library and bounded where those are not: nesting, lengths and
inflated size have limits, and a length is never believed beyond the end of the file. What is odd but readable is read
(a wrong transfer syntax, implicit items inside explicit sets, a missing preamble); what is broken ends the walk, and the
elements before it are kept with the fault.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from vasculum.errors import Unreadable

from .source import Inflated, Source
from .tables import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE
from .walker import FIRST_READ, PIXEL_TAGS, UNDEFINED, VRS, Broken, DataSet, Element, Walker

__all__ = ["PIXEL_TAGS", "UNDEFINED", "DataSet", "Element", "Header", "looks_like_dicom", "read_header"]


@dataclass(slots=True)
class Header:
    """What the walk found."""

    meta: DataSet
    """File Meta Information, group 0002; empty if the file has none."""
    elements: DataSet
    transfer_syntax: str
    """As declared; empty if it is not."""
    little: bool = True
    implicit: bool = False
    size: int = 0
    """Of the file in bytes; not of what it inflates to."""
    inflated: bool = False
    """True where offsets count in the inflated stream: a deflated data set, or a gzip."""
    deflated_from: int = 0
    """Where the deflated data set begins in the file."""
    pixels: Element | None = None
    """Pixel Data, Float Pixel Data or Double Float Pixel Data."""
    pixels_tag: int = 0
    faults: list[str] = field(default_factory=list)
    """What is wrong with the encoding, in words."""


def read_header(path: Path, only: Collection[int] | None = None) -> Header:
    """Walk the header of a file.

    Parameters
    ----------
    path
        A DICOM file, or a gzip of one.
    only
        Top-level tags that are wanted; others are stepped over. None: all.

    Raises
    ------
    Unreadable
        There is nothing readable in it, or it breaks a limit.
    """
    with Source(path) as source:
        start = source.read(0, FIRST_READ)
        if start[:2] == b"\x1f\x8b":
            with Inflated(path, gzip=True) as unpacked:
                return _walk(unpacked, unpacked.read(0, FIRST_READ), path, only)
        return _walk(source, start, path, only)


def looks_like_dicom(start: bytes) -> bool:
    """True for a preamble with DICM, or a plausible first element of group 0002 or 0008 without one."""
    if start[128:132] == b"DICM":
        return True
    if len(start) < 16:
        return False
    if start[:2] == b"\x02\x00" and start[3] == 0:
        return start[4:6] in VRS
    little_group, big_group = struct.unpack_from("<H", start)[0], struct.unpack_from(">H", start)[0]
    if little_group == 8:
        order = "<"
    elif big_group == 8:
        order = ">"
    else:
        return False
    element = struct.unpack_from(order + "H", start, 2)[0]
    if element not in (0, 1, 5, 6, 8, 0x12, 0x13, 0x16, 0x18, 0x20):
        return False
    return start[4:6] in VRS or struct.unpack_from(order + "I", start, 4)[0] <= 256


def _walk(source: Source, start: bytes, path: Path, only: Collection[int] | None) -> Header:
    position = 132 if start[128:132] == b"DICM" else 0
    faults = [] if position else ["the file has no preamble"]
    if not looks_like_dicom(start):
        raise Unreadable("this is not a DICOM file")
    meta, position = _file_meta(source, start, position)
    syntax = _uid(meta.get(0x00020010))
    if syntax == DEFLATED:
        with Inflated(path, start=position) as inflated:
            return _data_set(inflated, inflated.read(position, FIRST_READ), position, meta, syntax, faults, only)
    return _data_set(source, start[position:], position, meta, syntax, faults, only)


def _file_meta(source: Source, start: bytes, position: int) -> tuple[DataSet, int]:
    """Read group 0002: always explicit little endian (PS3.10 section 7.1); its group length is not trusted."""
    walker = Walker(source, start, 0, implicit=False, little=True)
    walker.implicit = walker.guess_implicit(position, False)
    meta: DataSet = {}
    try:
        end = walker.top(position, meta, None, stop_group=2)
    except Broken as broken:
        raise Unreadable(f"the file meta information cannot be read: {broken}") from None
    return meta, end


def _data_set(
    source: Source,
    start: bytes,
    position: int,
    meta: DataSet,
    syntax: str,
    faults: list[str],
    only: Collection[int] | None,
) -> Header:
    little, implicit = syntax != EXPLICIT_BIG, syntax == IMPLICIT_LITTLE
    walker = Walker(source, start, position, implicit=implicit, little=little)
    walker.ensure(position, 8)
    if walker.remaining(position) < 8:
        raise Unreadable("the file ends after its file meta information")
    walker.adapt(position, faults if syntax else None)
    if not syntax:
        faults.append("the file does not declare its transfer syntax")
        syntax = "" if walker.little else EXPLICIT_BIG
    elements: DataSet = {}
    try:
        walker.top(position, elements, only)
    except Broken as broken:
        if PIXEL_TAGS.isdisjoint(elements):  # after the pixels there is nothing but padding and signatures
            faults.append(f"the header breaks off: {broken}")
    if not elements and faults and only is None:
        raise Unreadable(f"the header cannot be read: {faults[-1]}")
    header = Header(meta, elements, syntax, walker.little, walker.implicit, source.file_size, faults=faults)
    header.inflated = isinstance(source, Inflated)
    header.deflated_from = position if syntax == DEFLATED else 0
    for tag in PIXEL_TAGS:
        if tag in elements:
            header.pixels, header.pixels_tag = elements[tag], tag
    return header


def _uid(element: Element | None) -> str:
    if element is None or not isinstance(element.value, bytes):
        return ""
    return element.value.rstrip(b"\0 ").decode("ascii", "replace")
