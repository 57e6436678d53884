"""Palette colours (PS3.3 C.7.9), plain and segmented."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable

from .fields import Fields
from .source import Source
from .walk import Element, Header

PALETTE_TAGS = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))
"""Descriptor and data of red, green and blue; segmented data are 0x20 further on."""
MAX_TABLE_BYTES = 1 << 20

Palette = tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]]
"""First mapped value, then the tables of red, green and blue."""


def palette_of(header: Header, source: Source) -> Palette | None:
    """Give the palette of an instance; None where it has none.

    Raises
    ------
    Unreadable
        The photometric interpretation wants a palette, and it is missing or cut off.
    """
    fields = Fields.of(header)
    if fields.text(0x00280004) != "PALETTE COLOR":
        return None
    tables: list[NDArray[Any]] = []
    first = 0
    for descriptor_tag, table_tag in PALETTE_TAGS:
        descriptor = fields.floats(descriptor_tag, 3)
        plain, segmented = header.elements.get(table_tag), header.elements.get(table_tag + 0x20)
        element = plain or segmented
        if not descriptor or element is None:
            raise Unreadable("the colour palette is not complete")
        entries, first = int(descriptor[0]) % 65536 or 65536, int(descriptor[1])
        raw = _bytes(element, source)
        order = "<" if header.little else ">"
        if plain is not None:
            wide = len(raw) >= 2 * entries
            table = np.frombuffer(raw[: entries * (1 + wide)], f"{order}u2" if wide else "u1")
        else:
            wide = int(descriptor[2]) > 8
            size = 2 if wide else 1
            table = _expand(np.frombuffer(raw[: len(raw) // size * size], f"{order}u{size}"), entries)
        if len(table) < entries:
            raise Unreadable("the colour palette is cut off")
        tables.append(table[:entries].astype(np.uint16 if int(descriptor[2]) > 8 else np.uint8))
    return first, tables[0], tables[1], tables[2]


def _bytes(element: Element, source: Source) -> bytes:
    if isinstance(element.value, bytes):
        return element.value
    return source.read(element.offset, min(element.length, MAX_TABLE_BYTES))


def _expand(codes: NDArray[Any], entries: int) -> NDArray[Any]:
    """Expand a segmented table: discrete, linear and indirect segments (PS3.3 C.7.9.2)."""
    out: list[int] = []
    starts: list[int] = []
    at = 0
    while at + 1 < len(codes) and len(out) < entries:
        starts.append(at)
        if int(codes[at]) == 2 and at + 3 < len(codes):
            count = int(codes[at + 1])
            target = int(codes[at + 2]) | int(codes[at + 3]) << (8 * codes.dtype.itemsize)
            for _ in range(count):
                if target + 1 >= len(codes) or int(codes[target]) > 1 or len(out) >= entries:
                    break
                target = _segment(codes, target, out)
            at += 4
        elif int(codes[at]) < 2:
            at = _segment(codes, at, out)
        else:
            break
    return np.array(out[:entries], np.uint16)


def _segment(codes: NDArray[Any], at: int, out: list[int]) -> int:
    """Append a discrete or a linear segment; give the index after it."""
    kind, count = int(codes[at]), int(codes[at + 1])
    if kind == 0:
        out.extend(int(v) for v in codes[at + 2 : at + 2 + count])
        return at + 2 + count
    if at + 2 >= len(codes):
        return len(codes)
    start, end = (out[-1] if out else 0), int(codes[at + 2])
    out.extend(round(start + (end - start) * n / count) for n in range(1, count + 1))
    return at + 3


def through_palette(array: NDArray[Any], palette: Palette) -> NDArray[Any]:
    """Give colours for indices: shape (rows, columns) becomes (rows, columns, 3)."""
    first, *tables = palette
    index = np.clip(array.astype(np.int64) - first, 0, len(tables[0]) - 1)
    return np.stack([table[index] for table in tables], axis=-1)
