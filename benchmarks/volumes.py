"""Large volumes for benchmarks: int16, a bright body in noise, written slice by slice in little memory."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPACING_MM = 0.5
DISTINCT = 16
"""Slices of noise that are made; the others repeat them, shifted, so that no two are equal."""


def slices(shape: tuple[int, int, int], seed: int = 5155) -> Iterator[NDArray[np.int16]]:
    """Give slices (j, i) of a volume of shape (k, j, i), in order."""
    depth, rows, columns = shape
    random = np.random.default_rng(seed)
    noise = random.normal(0, 60, (DISTINCT, rows, columns)).astype("<i2")
    radius = np.hypot(*np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)))
    body = np.where(radius < 0.8, 1000, -1000).astype("<i2")
    for k in range(depth):
        yield body + np.roll(noise[k % DISTINCT], k // DISTINCT, axis=1) + np.int16(k % 7)


def write_nrrd(path: Path, shape: tuple[int, int, int]) -> int:
    """Write a raw NRRD of shape (k, j, i); gives the bytes of its voxels."""
    depth, rows, columns = shape
    head = (
        "NRRD0005\ntype: int16\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {columns} {rows} {depth}\n"
        f"space directions: ({SPACING_MM},0,0) (0,{SPACING_MM},0) (0,0,{SPACING_MM})\n"
        "kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n\n"
    )
    with path.open("wb") as stream:
        stream.write(head.encode("ascii"))
        for one in slices(shape):
            stream.write(one.tobytes())
    return depth * rows * columns * 2


def write_nifti(path: Path, shape: tuple[int, int, int]) -> int:
    """Write a NIfTI-1 (gzipped where the name ends so) of shape (k, j, i); gives the bytes of its voxels."""
    depth, rows, columns = shape
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, columns, rows, depth, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 4, 16)  # int16
    struct.pack_into("<8f", head, 76, 1, SPACING_MM, SPACING_MM, SPACING_MM, 1, 1, 1, 1)
    struct.pack_into("<3f", head, 108, 352, 1, 0)
    head[123] = 2  # millimetres
    struct.pack_into("<2h", head, 252, 0, 1)  # sform: scanner
    for row in range(3):
        struct.pack_into("<f", head, 280 + 20 * row, SPACING_MM)
    head[344:348] = b"n+1\0"
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as stream:
        stream.write(bytes(head))
        for one in slices(shape):
            stream.write(one.tobytes())
    return depth * rows * columns * 2
