"""The bytes of frames, wherever they lie: in the file, in a deflated data set, in a gzip, in fragments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vasculum.errors import Unreadable

from .decode import decodable_bytes
from .frames import Encapsulated, PixelLayout
from .source import Inflated, Source
from .walk import Header

MAX_INFLATED_BYTES = 64 * 2**30


def open_pixels(path: Path, header: Header) -> Source:
    """Open the bytes in which the pixel offsets of a header count."""
    if not header.inflated:
        return Source(path)
    if header.deflated_from:
        return Inflated(path, start=header.deflated_from, limit=MAX_INFLATED_BYTES)
    return Inflated(path, gzip=True, limit=MAX_INFLATED_BYTES)


def frame_bytes(source: Source, layout: PixelLayout, encapsulated: Encapsulated | None, frame: int) -> bytes:
    """Give the bytes of one frame, as stored.

    Raises
    ------
    Unreadable
        They are not all there.
    """
    if frame >= layout.frames:
        raise Unreadable("there are fewer frames than the description says")
    if encapsulated is not None:
        if frame >= len(encapsulated.frames):
            raise _cut_off()
        return b"".join(source.read(*encapsulated.fragments[n]) for n in encapsulated.frames[frame])
    offset, count = decodable_bytes(layout, frame)
    start, end = (offset & ~1, (offset + count + 1) & ~1) if layout.swapped else (offset, offset + count)
    raw = source.read(layout.offset + start, end - start)
    if len(raw) < end - start:
        raise _cut_off()
    if layout.swapped:
        raw = np.frombuffer(raw, ">u2").astype("<u2").tobytes()[offset - start : offset - start + count]
    return raw


def _cut_off() -> Unreadable:
    return Unreadable("the pixel data are cut off", hint="the file was not copied whole")
