"""Small pictures of volumes for notebooks and pages: the middle slice, in grey, in its true proportions."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.model.geometry import Geometry

LONGEST_SIDE = 256
"""Pixels of a picture at the most."""

SAMPLES = 200_000
"""Voxels that are looked at to choose a window."""


def display_window(array: NDArray[Any]) -> tuple[float, float]:
    """Choose centre and width that show most of the values: from the 0.5 to the 99.5 percentile of a sample.

    Parameters
    ----------
    array
        Values of any shape; a memory map is read in a few places only. Not finite ones are passed over.
    """
    sample = _sample(array)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, (0.5, 99.5))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return float(low + high) / 2, max(float(high - low), 1.0 if array.dtype.kind in "iub" else 1e-9)


def mid_slice_png(
    array: NDArray[Any],
    geometry: Geometry | None = None,
    window: tuple[float, float] | None = None,
    axes: str = "kji",
) -> bytes:
    """Draw the middle slice of a volume as PNG.

    Parameters
    ----------
    array
        Values, axes as in `axes` (``kji``, ``tkji``, ``kjic``, ``tkjic``).
    geometry
        Where given, pixels that are not square are drawn in proportion.
    window
        Centre and width in values; chosen by `display_window` by default.
    """
    from PIL import Image

    volume = array[array.shape[0] // 2] if axes.startswith("t") else array
    plane = np.asarray(volume[volume.shape[0] // 2])
    if plane.ndim == 3 and plane.shape[2] not in (3, 4):
        plane = plane[..., 0]
    spacing = geometry.spacing if geometry else (1.0, 1.0, 1.0)
    rows, columns = plane.shape[:2]
    scale = LONGEST_SIDE / max(rows * spacing[1], columns * spacing[0])
    size = (max(1, round(columns * spacing[0] * scale)), max(1, round(rows * spacing[1] * scale)))
    if plane.dtype != np.uint8 or plane.ndim == 2:
        plane = _grey(plane, window or display_window(plane))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BILINEAR).save(buffer, "PNG")
    return buffer.getvalue()


def _grey(plane: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    centre, width = window
    values = np.nan_to_num(
        plane.astype(np.float64), nan=centre - width / 2, posinf=centre + width, neginf=centre - width
    )
    return (np.clip((values - centre) / width + 0.5, 0, 1) * 255).astype(np.uint8)


def _sample(array: NDArray[Any]) -> NDArray[np.float64]:
    """Take whole rows of evenly spread slices: what a memory map reads cheaply."""
    if array.ndim < 3:
        flat = array.reshape(-1)
        return np.asarray(flat[:: max(1, flat.size // SAMPLES)], np.float64)
    slices = np.unique(np.linspace(0, len(array) - 1, 9).astype(int)[1:-1])
    step = max(1, array[0].size * len(slices) // SAMPLES)
    return np.concatenate([np.asarray(array[n]).reshape(-1)[::step] for n in slices]).astype(np.float64)
