"""Writes arrays into files: in slabs, through a temporary name, with ISA-L for gzip."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vasculum.model.voxels import release

SLAB_BYTES = 4 * 1024 * 1024
"""How much is handed to the compressor or the file at once."""


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` that takes its name, durably, when all went well; else it is removed."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def gzipped(target: IO[bytes], packed: bool = True) -> Iterator[IO[bytes]]:
    """Give a stream that compresses into `target` (ISA-L level 1, no time stamp), or `target` itself."""
    if not packed:
        yield target
        return
    from isal import igzip

    with igzip.IGzipFile(filename="", fileobj=target, mode="wb", compresslevel=1, mtime=0) as stream:
        yield stream


def write_slabs(stream: IO[bytes], array: NDArray[Any]) -> None:
    """Write an array in C order, little-endian, a few megabytes at a time."""
    dtype = array.dtype.newbyteorder("<")
    for slab in slabs(array):
        stream.write(np.ascontiguousarray(slab, dtype=dtype).reshape(-1).view(np.uint8).data)


def slabs(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut an array along its slowest axes into pieces of about `SLAB_BYTES`, dropping mapped pages behind."""
    row = array[:1].nbytes
    if row > SLAB_BYTES and array.ndim > 1:
        for part in array:
            yield from slabs(part)
        return
    step = max(1, SLAB_BYTES // max(1, row))
    for start in range(0, array.shape[0], step):
        yield array[start : start + step]
        release(array)


def storable(array: NDArray[Any]) -> NDArray[Any]:
    """Widen types that image formats do not have: bool to uint8, float16 to float32."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    return array.astype(np.float32) if array.dtype == np.float16 else array
