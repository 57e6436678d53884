"""What the readers of meshes share: counts, bounds, space, and triangles out of polygons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable
from vasculum.model.description import Value

Surface = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Vertices (n, 3) as stored, and triangles (m, 3)."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a mesh without keeping its points."""

    vertices: int
    faces: int
    space: str = ""
    """``RAS``, ``LPS`` or empty."""
    bounds: tuple[float, ...] = ()
    """Least x, y, z and greatest x, y, z as stored; empty where they are not cheap to know."""
    sidecars: tuple[str, ...] = ()
    """File names that the mesh names."""
    attributes: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)


def space_in(text: bytes) -> str:
    """Find the coordinate system in a comment as Slicer writes it: ``SPACE=RAS`` or ``SPACE=LPS``."""
    found = re.search(rb"SPACE\s*[=:]\s*(RAS|LPS)\b", text)
    return found[1].decode() if found else ""


def bounds_of(chunks: Iterable[NDArray[np.floating]]) -> tuple[float, ...]:
    """Give least and greatest coordinates of chunks of points (..., 3); empty if there are none or they are not finite."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for chunk in chunks:
        points = np.asarray(chunk, np.float64).reshape(-1, 3)
        if len(points):
            low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
    corners = np.concatenate([low, high])
    return tuple(float(v) for v in corners) if np.isfinite(corners).all() else ()


def triangles(lengths: NDArray[np.int64], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut polygons into triangles from their first corner.

    Parameters
    ----------
    lengths
        Corners of each polygon, shape (p,).
    corners
        All corners, one polygon after the other.

    Raises
    ------
    Unreadable
        The lengths do not add up to the corners.
    """
    first, step = _walk(lengths, corners)
    return np.asarray(np.stack([corners[first], corners[first + step + 1], corners[first + step + 2]], axis=1))


def strips(lengths: NDArray[np.int64], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn triangle strips (VTK) into triangles; every other one is turned around."""
    first, step = _walk(lengths, corners)
    found = np.stack([corners[first + step], corners[first + step + 1], corners[first + step + 2]], axis=1)
    found[step % 2 == 1] = found[step % 2 == 1][:, [1, 0, 2]]
    return np.asarray(found)


def _walk(lengths: NDArray[np.int64], corners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give, for every triangle, where its polygon starts and its number within it; n corners make n - 2 triangles."""
    if (lengths < 0).any() or int(lengths.sum()) != len(corners):
        raise Unreadable("the polygons of the mesh do not add up")
    counts = np.maximum(lengths - 2, 0)
    first = np.repeat(np.cumsum(lengths) - lengths, counts)
    step = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, step
