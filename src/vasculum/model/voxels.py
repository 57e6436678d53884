"""Volumes in memory, and the voxel print by which a volume is known again (DESIGN 4.3)."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .geometry import RAS_FROM_LPS, Geometry

STREAM_BYTES = 32 * 1024 * 1024
"""How much of a volume is held at once while it is streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Voxels with their place in space."""

    array: NDArray[Any]
    """Values after rescale; a memory map where the encoding allows. Axis order as in `axes`."""
    axes: str = "kji"
    """``kji``, ``tkji``, ``kjic`` or ``tkjic``: time, slice, row, column, component."""
    geometry: Geometry | None = None
    """None where the file does not say how large a voxel is."""
    name: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class VoxelPrint:
    """Orientation-free fingerprint: equal for the same voxels in any axis order, flip, file format or integer width.

    SHA-256 over the canonical shape and the canonical bytes. Compare geometries apart, with tolerance.
    """

    digest: str

    def __str__(self) -> str:
        return self.digest


def voxel_print(array: NDArray[Any], affine: NDArray[np.float64], axes: str = "") -> VoxelPrint:
    """Fingerprint a volume in a stream.

    Parameters
    ----------
    array
        Values after rescale, shape (k, j, i) or (k, j, i, c) or (t, k, j, i) or (t, k, j, i, c): further axes are
        kept in place, time outermost and components innermost. May be a memory map.
    affine
        4×4 matrix from (i, j, k) to LPS millimetres.
    axes
        Names of the axes of `array` (``kji``, ``tkji``, ``kjic``, ``tkjic``). Empty: guessed; a fourth axis counts as
        component where it is last and has at most 4 values while the first has more.

    Notes
    -----
    Axes are turned to the closest canonical ones (+R, +A, +S). Integral values are hashed as little-endian int32
    (int64 where they need it), others as float64; so an int16 volume and its float32 copy have one print.
    """
    spatial, time = _as_tkjic(array, axes)
    order, flips = canonical_axes(affine)
    integral, wide = _number_form(spatial)
    target = np.dtype("<f8") if not integral else np.dtype("<i8" if wide else "<i4")
    shape = [spatial.shape[1 + n] for n in order]
    digest = hashlib.sha256()
    digest.update(f"{time}:{shape}:{spatial.shape[4]}:{target.str}".encode())
    for frame in range(time):
        for slab in _canonical_slabs(spatial[frame], order, flips):
            digest.update(np.ascontiguousarray(slab, dtype=target).data)
    return VoxelPrint(digest.hexdigest())


def canonical_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Find the order and flips that turn a (k, j, i) array into (S, A, R) order, each axis ascending.

    Returns
    -------
    order, flips
        ``array.transpose(order)``, then reversal of every axis whose flip is True.
    """
    ras = (RAS_FROM_LPS @ affine)[:3, :3]
    cosines = ras / np.linalg.norm(ras, axis=0)
    pairs = sorted(((w, c) for w in range(3) for c in range(3)), key=lambda pair: _closeness(cosines, *pair))
    world_of_column = [-1, -1, -1]
    for world, column in reversed(pairs):  # the largest cosine first, each world axis once
        if world_of_column[column] < 0 and world not in world_of_column:
            world_of_column[column] = world
    s, a, r = (world_of_column.index(world) for world in (2, 1, 0))
    return (2 - s, 2 - a, 2 - r), (bool(ras[2, s] < 0), bool(ras[1, a] < 0), bool(ras[0, r] < 0))


def _closeness(cosines: NDArray[np.float64], world: int, column: int) -> tuple[float, ...]:
    """Rank how well a column fits a world axis.

    At a tie (a grid at 45 degrees) the rank goes by the line on which the column lies, which neither the order nor the
    direction of the stored axes changes; else the same volume, stored otherwise, would have another print.
    """
    line = np.outer(cosines[:, column], cosines[:, column])
    rounded = np.round([abs(cosines[world, column]), *line[np.triu_indices(3)]], 4) + 0.0
    return (float(rounded[0]), -float(world), *(float(entry) for entry in rounded[1:]))


def rescaled_dtype(dtype: np.dtype[Any], slope: float, intercept: float) -> np.dtype[Any]:
    """Choose the type of ``slope * stored + intercept``.

    Integers stay integers where slope and intercept are whole: the narrowest signed type that holds every possible
    result, at least int16. Others become float32 where the stored numbers have at most 16 bits, else float64.
    """
    if dtype.kind in "iub" and float(slope).is_integer() and float(intercept).is_integer():
        low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        ends = sorted((int(slope) * low + int(intercept), int(slope) * high + int(intercept)))
        for name in ("<i2", "<i4", "<i8"):
            if np.iinfo(name).min <= ends[0] and ends[1] <= np.iinfo(name).max:
                return np.dtype(name)
        return np.dtype("<f8")
    narrow = dtype.itemsize <= 2 or (dtype.kind == "f" and dtype.itemsize <= 4)
    return np.dtype("<f4" if narrow else "<f8")


def rescale(array: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Compute ``slope * array + intercept`` in the type that `rescaled_dtype` chooses, without overflow between."""
    target = rescaled_dtype(array.dtype, slope, intercept)
    if slope == 1 and intercept == 0:
        return array
    if target.kind == "i":
        return np.asarray(array.astype(target) * target.type(int(slope)) + target.type(int(intercept)), target)
    return (array.astype(np.float64) * slope + intercept).astype(target)


def release(array: NDArray[Any]) -> None:
    """Let the system drop the pages of a memory map that were read, so that streaming a large file stays small."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _as_tkjic(array: NDArray[Any], axes: str) -> tuple[NDArray[Any], int]:
    """View as (t, k, j, i, c), and say how many times there are."""
    if not axes:
        short_last = array.ndim == 4 and array.shape[-1] <= 4 < array.shape[0]
        axes = {3: "kji", 4: "kjic" if short_last else "tkji", 5: "tkjic"}.get(array.ndim, "")
    if axes not in {"kji", "tkji", "kjic", "tkjic"} or len(axes) != array.ndim:
        raise ValueError(f"an array of {array.ndim} axes cannot be {axes!r}")
    view = array if "t" in axes else array[np.newaxis]
    view = view if "c" in axes else view[..., np.newaxis]
    return view, int(view.shape[0])


def _number_form(array: NDArray[Any]) -> tuple[bool, bool]:
    """Say whether all values are whole numbers (of at most 63 bits), and whether some need more than 32."""
    if array.dtype.kind in "iub" and array.dtype.itemsize < 4:
        return True, False
    wide = False
    for chunk in _chunks(array):
        if chunk.dtype.kind == "f" and (not np.isfinite(chunk).all() or (chunk != np.rint(chunk)).any()):
            return False, False
        low, high = (int(chunk.min()), int(chunk.max())) if chunk.size else (0, 0)
        if low < -(2**63) or high >= 2**63:
            return False, False
        wide = wide or low < -(2**31) or high >= 2**31
    return True, wide


def _chunks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    rows = max(1, STREAM_BYTES // max(1, array[0, :1].nbytes))
    for frame in array:
        for start in range(0, frame.shape[0], rows):
            yield frame[start : start + rows]
            release(array)


def _canonical_slabs(
    volume: NDArray[Any], order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> Iterator[NDArray[Any]]:
    """Yield the volume in canonical order, a slab at a time.

    A slab is gathered from bounded pieces of the source, so that a sagittal stack on disk is neither read slice by
    slice with a stride nor held in memory whole.
    """
    view = volume.transpose((*order, 3))
    view = view[tuple(slice(None, None, -1 if f else None) for f in flips)]
    thickness = max(1, STREAM_BYTES // max(1, view[:1].nbytes))
    source_axis = order.index(0)  # where the slowest axis of the file went
    for start in range(0, view.shape[0], thickness):
        slab = view[start : start + thickness]
        if source_axis == 0:
            yield slab
            release(volume)
            continue
        gathered = np.empty(slab.shape, slab.dtype)
        step = max(1, view.shape[source_axis] * thickness // max(1, view.shape[0]))
        for low in range(0, view.shape[source_axis], step):
            piece: list[slice] = [slice(None)] * 4
            piece[source_axis] = slice(low, low + step)
            gathered[tuple(piece)] = slab[tuple(piece)]
            release(volume)
        yield gathered
