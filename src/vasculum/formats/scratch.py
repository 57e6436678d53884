"""Room for arrays that have to be decoded: memory for small ones, an unnamed temporary file for large ones."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unavailable

IN_MEMORY_BYTES = 256 * 1024 * 1024
"""Arrays of more bytes than this are backed by a file, so that decoding a large stack costs no memory."""


def writable_array(sizes: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give an array to be filled; its content is undefined.

    A large one maps an unnamed file in ``VASCULUM_SCRATCH`` (or the system's temporary folder) that vanishes with it;
    `vasculum.model.voxels.release` lets its pages go while it is filled.

    Raises
    ------
    Unavailable
        The scratch folder has no room.
    """
    wanted = math.prod(sizes) * dtype.itemsize
    if wanted <= IN_MEMORY_BYTES:
        return np.empty(sizes, dtype)
    folder = os.environ.get("VASCULUM_SCRATCH") or tempfile.gettempdir()
    if shutil.disk_usage(folder).free < wanted:
        raise Unavailable(
            f"the scratch folder has no room for {wanted} bytes", hint="set VASCULUM_SCRATCH to a folder with room"
        )
    with tempfile.TemporaryFile(dir=folder) as stream:
        return np.memmap(stream, dtype, "w+", shape=sizes)
