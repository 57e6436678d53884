"""Voxels of a described series: read frame by frame into one array (PS3.3 C.7.6.3, C.11.1; PS3.5 chapter 8)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable
from vasculum.model.description import Block, Description, Voxels
from vasculum.model.voxels import release

from .decode import decode_frame
from .frames import PixelLayout, encapsulated_frames, pixel_layout
from .palette import palette_of
from .pixel_source import frame_bytes, open_pixels
from .walk import PIXEL_TAGS, read_header

SCRATCH_BYTES = 512 * 2**20
"""Larger arrays that cannot be mapped from the file itself lie in a temporary file, not in memory."""

_NEEDED = frozenset(
    {
        *(0x00080016, 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101),
        *(0x00280102, 0x00280103, 0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203),
        *(0x00281221, 0x00281222, 0x00281223),
        *PIXEL_TAGS,
    }
)

Locate = Callable[[str], Path]


def read_values(description: Description, locate: Locate) -> NDArray[Any]:
    """Give the values of a series after rescale, axes as in ``description.voxels.axes``.

    One contiguous native part without rescale is a read-only memory map. Integers stay integers of the same width
    where slope is 1, the intercept whole and the values fit; wider integers where they do not; else floats.

    Raises
    ------
    Unreadable
        There are no voxels, the bytes are not what the description says, or a codec fails.
    """
    voxels = description.voxels
    if voxels is None:
        raise Unreadable("the file has no voxels")
    if not voxels.blocks:
        raise Unreadable("the file has no frames")
    mapped = _map(voxels, locate)
    if mapped is not None:
        return mapped
    stored = _read_stored(voxels, locate)
    return _rescaled(stored, voxels)


def _map(voxels: Voxels, locate: Locate) -> NDArray[Any] | None:
    """Map the file where its bytes are the values already."""
    first = voxels.blocks[0]
    if voxels.encoding != "raw" or first.length is None or any(b.slope is not None for b in voxels.blocks):
        return None
    contiguous = all(
        b.part == first.part and b.offset == first.offset + n * first.length for n, b in enumerate(voxels.blocks)
    )
    if not contiguous or (voxels.slope, voxels.intercept) != (1.0, 0.0):
        return None
    layout = _layout(locate(first.part))[1]
    if layout.bits_stored != layout.bits_allocated or layout.dtype != voxels.dtype:
        return None
    return _memory_map(locate(first.part), voxels, first.offset)


def _memory_map(path: Path, voxels: Voxels, offset: int) -> NDArray[Any]:
    size = int(np.prod(voxels.sizes)) * np.dtype(voxels.dtype).itemsize
    if path.stat().st_size < offset + size:
        raise Unreadable("the pixel data are cut off")
    return np.memmap(path, voxels.dtype, "r", offset, voxels.sizes)


def _layout(path: Path) -> tuple[Any, PixelLayout]:
    header = read_header(path, only=_NEEDED)
    layout = pixel_layout(header)
    if layout is None:
        raise Unreadable("the file has no pixels that can be read")
    return header, layout


def _read_stored(voxels: Voxels, locate: Locate) -> NDArray[Any]:
    """Read the samples of all frames, without rescale."""
    planes: NDArray[Any] | None = None
    number = 0
    flat: NDArray[Any] = np.empty(0)
    for part, group in groupby(voxels.blocks, key=lambda b: b.part):
        for frame in _frames(locate(part), list(group)):
            if planes is None:
                planes = allocate(voxels.sizes, frame.dtype)
                depth = len(voxels.blocks)
                flat = planes.reshape(depth, *planes.shape[planes.ndim - frame.ndim :])
                _check(flat[0].shape, frame.shape)
            _check(flat[0].shape, frame.shape)
            if frame.dtype != flat.dtype and not np.can_cast(frame.dtype, flat.dtype, "safe"):
                planes, flat = _widened(planes, flat, frame.dtype)
            flat[number] = frame
            number += 1
            _let_go(planes, number)
    assert planes is not None
    return planes


def _widened(planes: NDArray[Any], flat: NDArray[Any], dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Slices of one series may be signed and unsigned: use a type that holds both."""
    wide = np.promote_types(flat.dtype, dtype)
    planes = planes.astype(wide)
    return planes, planes.reshape(flat.shape)


def _check(expected: tuple[int, ...], found: tuple[int, ...]) -> None:
    if expected != found:
        raise Unreadable("a frame is not of the size that the header says")


def _frames(path: Path, blocks: Sequence[Block]) -> Iterator[NDArray[Any]]:
    header, layout = _layout(path)
    with open_pixels(path, header) as source:
        encapsulated = None if layout.native else encapsulated_frames(source, layout)
        palette = palette_of(header, source)
        for block in blocks:
            raw = frame_bytes(source, layout, encapsulated, block.frame)
            yield decode_frame(raw, layout, block.frame, palette)


def allocate(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Give an array of zeros to fill: in memory, or in an unnamed temporary file where it is large."""
    size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if size <= SCRATCH_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="vasculum-") as scratch:
        return np.memmap(scratch, dtype, "w+", shape=shape)


def _let_go(array: NDArray[Any], number: int) -> None:
    """Drop the pages of a scratch file now and then, so that a large series stays small in memory."""
    if number % 64 == 0 and not array.flags.owndata:
        release(array)


def _rescaled(stored: NDArray[Any], voxels: Voxels) -> NDArray[Any]:
    """Apply slope and intercept, of the array or of each frame (PS3.3 C.11.1)."""
    rows = stored.reshape(len(voxels.blocks), -1)
    pairs = [
        (voxels.slope if b.slope is None else b.slope, voxels.intercept if b.intercept is None else b.intercept)
        for b in voxels.blocks
    ]
    if all(pair == (1.0, 0.0) for pair in pairs):
        return stored
    if stored.dtype.kind in "iu" and all(slope == int(slope) and icpt == int(icpt) for slope, icpt in pairs):
        return _whole(stored, rows, pairs)
    target = np.dtype(np.float32) if stored.dtype.itemsize <= 2 else np.dtype(np.float64)
    result = allocate(stored.shape, target)
    targets = result.reshape(rows.shape)
    for n, (slope, intercept) in enumerate(pairs):
        targets[n] = rows[n].astype(np.float64) * slope + intercept
        _let_go(stored, n)
        _let_go(result, n)
    return result


def _whole(stored: NDArray[Any], rows: NDArray[Any], pairs: list[tuple[float, float]]) -> NDArray[Any]:
    """Whole numbers stay whole, in the same bytes where they fit."""
    low, high = 0, 0
    for n, (slope, intercept) in enumerate(pairs):
        row = rows[n]
        ends = (int(row.min()) * int(slope) + int(intercept), int(row.max()) * int(slope) + int(intercept))
        low, high = min(low, *ends), max(high, *ends)
        _let_go(stored, n)
    size = stored.dtype.itemsize
    candidates = [np.dtype(f"{kind}{n}") for n in (size, 2, 4, 8) if n >= size for kind in ("i", "u")]
    fitting = (d for d in candidates if np.iinfo(d).min <= low and high <= np.iinfo(d).max)
    target = next(fitting, np.dtype(np.float64))
    if target.itemsize == size and stored.flags.writeable:
        for n, (slope, intercept) in enumerate(pairs):  # modular arithmetic ends at the right value
            np.multiply(rows[n], np.array(int(slope)).astype(stored.dtype), out=rows[n])
            np.add(rows[n], np.array(int(intercept)).astype(stored.dtype), out=rows[n])
            _let_go(stored, n)
        return stored.view(target)
    result = allocate(stored.shape, target)
    targets = result.reshape(rows.shape)
    for n, (slope, intercept) in enumerate(pairs):
        targets[n] = rows[n].astype(target) * target.type(slope) + target.type(intercept)
        _let_go(stored, n)
        _let_go(result, n)
    return result
