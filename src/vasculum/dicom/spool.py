"""Find the narrowest type of wide integers that come as a stream, by way of a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unsupported
from vasculum.model.voxels import STREAM_BYTES

_NARROW = (np.dtype("u1"), np.dtype("i2"), np.dtype("u2"))
_EXACT_IN_DOUBLE = 2**53


@dataclass(frozen=True, slots=True)
class Stream:
    """Slabs and the type of their values."""

    slabs: Iterable[NDArray[Any]]
    dtype: np.dtype[Any]


@contextmanager
def narrowed(slabs: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> Iterator[Stream]:
    """Give the slabs in the narrowest of uint8, int16 and uint16 that holds every value; others as they are.

    Only integers of more than 16 bits are looked at; they pass through a temporary file, as the extremes are known
    only at the end of the stream.

    Raises
    ------
    Unsupported
        64-bit integers that a double does not hold exactly.
    """
    if dtype.kind not in "iu" or dtype.itemsize <= 2:
        yield Stream(slabs, dtype)
        return
    with tempfile.TemporaryFile() as file:
        shapes, low, high = _spool(slabs, dtype, file)
        if max(-low, high) > _EXACT_IN_DOUBLE:
            raise Unsupported("integers beyond 2**53 have no place in DICOM", hint="store them as NRRD")
        fitting = [t for t in _NARROW if np.iinfo(t).min <= low and high <= np.iinfo(t).max]
        yield Stream(_unspool(file, dtype, shapes), fitting[0] if fitting else dtype)


def _spool(
    slabs: Iterable[NDArray[Any]], dtype: np.dtype[Any], file: IO[bytes]
) -> tuple[list[tuple[int, ...]], int, int]:
    shapes: list[tuple[int, ...]] = []
    low = high = 0
    for slab in slabs:
        step = max(1, STREAM_BYTES // max(1, slab[:1].nbytes))
        for start in range(0, len(slab), step):
            piece = np.ascontiguousarray(slab[start : start + step], dtype=dtype)
            low, high = min(low, int(piece.min())), max(high, int(piece.max()))
            file.write(piece.data.cast("B"))
            shapes.append(piece.shape)
    return shapes, low, high


def _unspool(file: IO[bytes], dtype: np.dtype[Any], shapes: list[tuple[int, ...]]) -> Iterator[NDArray[Any]]:
    file.seek(0)
    for shape in shapes:
        size = int(np.prod(shape)) * dtype.itemsize
        yield np.frombuffer(file.read(size), dtype=dtype).reshape(shape)
