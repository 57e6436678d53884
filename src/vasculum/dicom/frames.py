"""Where the frames of an instance lie and how their samples are stored (PS3.3 C.7.6.3, PS3.5 chapter 8 and A.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from itertools import pairwise

from .fields import Fields
from .source import Source
from .walk import UNDEFINED, Header

ONE_FRAME_LIMIT = 4 * 2**30
"""The most bytes that one decoded frame may take."""
MAX_DEFLATE_RATIO = 1032
_FRAGMENT_LIMIT = 2_000_000
_WINDOW = 64 * 1024


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The Image Pixel module of an instance."""

    rows: int
    columns: int
    frames: int
    """As many as are declared, but not more than the bytes of the file can hold."""
    declared_frames: int
    samples: int
    planar: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    syntax: str
    """Transfer Syntax UID."""
    little: bool
    floating: bool
    offset: int
    """Of the first byte of native pixels, or of the Basic Offset Table item."""
    length: int
    """Of native pixels as declared; `UNDEFINED` if encapsulated."""
    swapped: bool = False
    """True for 8-bit samples in big-endian words (OW): the bytes of every pair are exchanged (PS3.5 section 7.3)."""

    @property
    def native(self) -> bool:
        """True where the samples lie in the file as they are."""
        return self.length != UNDEFINED

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame; frames of 1-bit samples need not end on a byte (PS3.5 8.1.1)."""
        return (self.frame_bits + 7) // 8

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame. YBR_FULL_422 shares chrominance between two pixels (PS3.3 C.7.6.3.1.2)."""
        samples = 2 if self.photometric == "YBR_FULL_422" and self.native else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def dtype(self) -> str:
        """numpy type of the stored samples."""
        order = "<" if self.little else ">"
        if self.floating:
            return f"{order}f{self.bits_allocated // 8}"
        size = max(1, self.bits_allocated // 8)
        return f"{'|' if size == 1 else order}{'i' if self.signed else 'u'}{size}"

    @property
    def color(self) -> bool:
        """True where a reader gives components."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"


def pixel_layout(header: Header) -> PixelLayout | None:
    """Give the pixel module of a header; None where there are no pixels, or their sizes make no sense."""
    pixels = header.pixels
    if pixels is None:
        return None
    fields = Fields.of(header)
    floating = header.pixels_tag != 0x7FE00010
    allocated = fields.integer(0x00280100, 64 if header.pixels_tag == 0x7FE00009 else 32 if floating else 0)
    stored = fields.integer(0x00280101, allocated) or allocated
    layout = PixelLayout(
        rows=fields.integer(0x00280010),
        columns=fields.integer(0x00280011),
        frames=1,
        declared_frames=max(1, fields.integer(0x00280008, 1)),
        samples=fields.integer(0x00280002, 1),
        planar=fields.integer(0x00280006),
        bits_allocated=allocated,
        bits_stored=min(stored, allocated),
        high_bit=fields.integer(0x00280102, stored - 1),
        signed=fields.integer(0x00280103) == 1 and not floating,
        photometric=fields.text(0x00280004),
        syntax=header.transfer_syntax,
        little=header.little,
        floating=floating,
        offset=pixels.offset,
        length=pixels.length,
        swapped=not header.little and pixels.vr == "OW" and allocated == 8,
    )
    sizes = layout.rows > 0 and layout.columns > 0 and layout.samples in (1, 2, 3, 4)
    if not sizes or allocated not in (1, 8, 16, 32, 64) or layout.frame_bytes > ONE_FRAME_LIMIT:
        return None
    return replace(layout, frames=min(layout.declared_frames, _room(header, layout)))


def _room(header: Header, layout: PixelLayout) -> int:
    """The most frames that the bytes of the file can hold, rounded up; a declared number is not believed further."""
    there = header.size * MAX_DEFLATE_RATIO if header.inflated else header.size - layout.offset
    if layout.native:
        return max(1, -(-8 * min(there, layout.length) // layout.frame_bits))
    return max(1, there // 8)  # every fragment has a head of eight bytes


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """Fragments of encapsulated pixels (PS3.5 A.4)."""

    fragments: tuple[tuple[int, int], ...]
    """Offset and length of every fragment."""
    frames: tuple[tuple[int, ...], ...] = field(default=())
    """Indices of the fragments of every frame."""
    complete: bool = True
    """False where the data end before the last fragment does, or there are fewer frames than declared."""


def encapsulated_frames(source: Source, layout: PixelLayout) -> Encapsulated:
    """Find the fragments of every frame by the offset table, or by counting where it is empty."""
    items, complete = _items(source, layout.offset)
    if not items:
        return Encapsulated((), (), False)
    table_at, table_length = items[0]
    table = source.read(table_at, min(table_length, 4 * layout.frames))
    offsets = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
    fragments = tuple(items[1:])
    frames = _by_table(fragments, offsets, table_at + table_length, layout.frames)
    if not frames:
        frames = _by_count(source, fragments, layout)
    return Encapsulated(fragments, frames, complete and len(frames) >= layout.declared_frames)


def _items(source: Source, position: int) -> tuple[list[tuple[int, int]], bool]:
    """Give offset and length of every item, and whether the sequence ends as it should."""
    items: list[tuple[int, int]] = []
    window, base = b"", 0
    while len(items) <= _FRAGMENT_LIMIT:
        if not 0 <= position - base <= len(window) - 8:
            window, base = source.read(position, 8 if items and items[-1][1] > _WINDOW else _WINDOW), position
        if len(window) < position - base + 8:
            break
        tag, length = struct.unpack_from("<II", window, position - base)
        if tag != 0xE000FFFE:
            return items, bool(tag == 0xE0DDFFFE)
        items.append((position + 8, length))
        position += 8 + length
    return items, False


def _by_table(
    fragments: tuple[tuple[int, int], ...], offsets: tuple[int, ...], base: int, count: int
) -> tuple[tuple[int, ...], ...]:
    if len(offsets) != count or list(offsets) != sorted(set(offsets)):
        return ()
    starts = {at - 8 - base: n for n, (at, _) in enumerate(fragments)}
    if not all(offset in starts for offset in offsets):
        return ()
    firsts = [starts[offset] for offset in offsets] + [len(fragments)]
    return tuple(tuple(range(a, b)) for a, b in pairwise(firsts))


def _by_count(
    source: Source, fragments: tuple[tuple[int, int], ...], layout: PixelLayout
) -> tuple[tuple[int, ...], ...]:
    """One fragment a frame, or one frame of all fragments; else a frame begins where a fragment begins a codestream."""
    if layout.frames == 1:
        return (tuple(range(len(fragments))),) if fragments else ()
    if len(fragments) <= layout.frames:
        return tuple((n,) for n in range(len(fragments)))
    frames: list[list[int]] = []
    for n, (at, _) in enumerate(fragments):
        if source.read(at, 4)[:2] in (b"\xff\xd8", b"\xff\x4f") or not frames:
            frames.append([])
        frames[-1].append(n)
    return tuple(tuple(frame) for frame in frames)
