"""Reads the blocks of a `Voxels` into an array: memory maps where the bytes allow, bounded memory where they do not.

NRRD, NIfTI, MetaImage and MGH hold one array in the same few encodings; only their headers differ. An array that must
be decompressed and is larger than `IN_MEMORY_BYTES` goes through an unnamed temporary file that is mapped, so that a 2 GB
``.nii.gz`` costs no memory; its folder is ``VASCULUM_SCRATCH`` or that of `tempfile`.
"""

from __future__ import annotations

import bz2
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from isal import igzip_lib, isal_zlib
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Locate
from vasculum.formats.scratch import IN_MEMORY_BYTES, writable_array
from vasculum.model.description import Block, Finding, Voxels
from vasculum.model.kinds import Severity
from vasculum.model.voxels import release, rescale, rescaled_dtype

CHUNK = 4 * 1024 * 1024
"""Bytes that are decompressed at once."""

PACKED_CHUNK = 256 * 1024
"""Compressed bytes that are read at once."""

GZIP_MAGIC = b"\x1f\x8b"

HIGHEST_RATIO = 1000
"""Above `IN_MEMORY_BYTES`, more decompressed bytes per stored byte than this are refused: deflate reaches at most 1032,
and only where every voxel is the same."""

HIGHEST_DEFLATE = 1040
"""More than this deflate cannot compress."""

MOST_TEXT_VALUES = 64 * 1024 * 1024
"""Longest array that is read from decimal text."""

TAIL_SLACK = 16 * 1024 * 1024
"""Where voxels are the last bytes of a compressed stream: how much may come before them."""

DECODE_ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, zlib.error, isal_zlib.error)  # type: ignore[assignment]
"""What the decompressors raise on damaged streams."""


def read_array(voxels: Voxels, locate: Locate) -> NDArray[Any]:
    """Give the values after rescale, axes as in ``voxels.axes``.

    Parameters
    ----------
    voxels
        How the array is stored. Several blocks hold equal shares of it, slowest axis first.
    locate
        Gives the path of a part by its name.

    Returns
    -------
    ndarray
        Read-only memory map where the encoding is raw, in one part and without rescale, or where the array is larger
        than `IN_MEMORY_BYTES`; else an array in memory.

    Raises
    ------
    Unreadable
        Bytes are missing, or are not of the encoding, or would decompress to absurd sizes.
    Unavailable
        The scratch folder has no room (`scratch.writable_array`).
    """
    stored = read_stored(voxels, locate)
    if voxels.slope != 1 or voxels.intercept != 0:
        stored = _rescaled(stored, voxels.slope, voxels.intercept)
    return arranged(stored, voxels)


def read_stored(voxels: Voxels, locate: Locate) -> NDArray[Any]:
    """Give the stored numbers as one flat, read-only array in stored order (see `read_array`)."""
    dtype = np.dtype(voxels.dtype)
    wanted = stored_bytes(voxels)
    if voxels.encoding in {"text", "hex"}:
        return _from_text(voxels, locate, wanted)
    if voxels.encoding == "raw" and len(voxels.blocks) == 1:
        return _mapped(voxels.blocks[0], locate, dtype, wanted)
    check_ratio(voxels, locate)
    array = writable_array((wanted,), np.dtype(np.uint8))
    position = 0
    for chunk in _decoded_blocks(voxels, locate):
        array[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
        position += len(chunk)
        release(array)
    array.flags.writeable = False
    return array.view(dtype)


def inflate_to(voxels: Voxels, locate: Locate, target: Path) -> NDArray[Any]:
    """Decompress the stored numbers into a file in a stream and map it; axes as in ``voxels.axes``, not rescaled.

    The file stays; it is the caller's to delete. Errors as in `read_array`.
    """
    check_ratio(voxels, locate)
    with target.open("w+b") as stream:
        for chunk in _decoded_blocks(voxels, locate):
            stream.write(chunk)
    return arranged(np.memmap(target, np.dtype(voxels.dtype), mode="r"), voxels)


def arranged(stored: NDArray[Any], voxels: Voxels) -> NDArray[Any]:
    """Give a flat array in stored order the shape and the order of ``voxels.axes`` (a view)."""
    order = voxels.order or voxels.axes
    length = dict(zip(voxels.axes, voxels.sizes, strict=True))
    shaped = stored.reshape([length[axis] for axis in order])
    return shaped.transpose([order.index(axis) for axis in voxels.axes])


def stored_bytes(voxels: Voxels) -> int:
    """Say how many bytes the array has, decompressed."""
    return math.prod(voxels.sizes) * np.dtype(voxels.dtype).itemsize


def block_at(part: str, offset: int, skip: int, encoding: str) -> Block:
    """Make a block from a header's notion of a skip: of stored bytes where they are plain, else of decompressed ones.

    `skip` is -1 where the voxels are the last bytes.
    """
    plain = encoding in {"raw", "text", "hex"}
    return (
        Block(part=part, offset=offset + skip) if plain and skip > 0 else Block(part=part, offset=offset, skip=skip)
    )


def unmet(voxels: Voxels, folder: Path) -> list[Finding]:
    """Say which parts in a folder are missing (``missing-part``) or too short for the declared size (``truncated``)."""
    share = stored_bytes(voxels) // max(1, len(voxels.blocks))
    numbers = share // np.dtype(voxels.dtype).itemsize
    least = {"raw": share, "hex": 2 * share, "text": 2 * numbers - 1}.get(voxels.encoding, share // HIGHEST_DEFLATE)
    absent = short = 0
    for block in voxels.blocks:
        file = folder / block.part
        if not file.is_file():
            absent += 1
        elif file.stat().st_size - block.offset < least:
            short += 1
    findings = []
    if absent:
        text = f"{absent} of {len(voxels.blocks)} files with voxels are missing"
        findings.append(Finding(code="missing-part", text=text, severity=Severity.ERROR))
    if short:
        text = f"the voxels are truncated: {stored_bytes(voxels)} bytes are declared, fewer are there"
        findings.append(Finding(code="truncated", text=text, severity=Severity.ERROR))
    return findings


def check_ratio(voxels: Voxels, locate: Locate) -> None:
    """Refuse, before anything is decompressed, what the parts cannot hold or only a bomb would claim.

    Raises
    ------
    Unreadable
        The declared size does not fit the size of the parts.
    """
    wanted = stored_bytes(voxels)
    have = max(0, sum(_part_path(block, locate).stat().st_size - block.offset for block in voxels.blocks))
    match voxels.encoding:
        case "raw":
            possible = wanted <= have
        case "text":  # a digit and a space for every number
            possible = 2 * wanted // np.dtype(voxels.dtype).itemsize <= have + 1
        case "hex":
            possible = 2 * wanted <= have
        case _:
            possible = wanted <= IN_MEMORY_BYTES or wanted <= have * HIGHEST_RATIO
    if not possible:
        raise Unreadable(
            f"the header declares {wanted} bytes of voxels, which {have} stored bytes cannot honestly hold",
            hint="the file is truncated, or made to exhaust memory",
        )


def _mapped(block: Block, locate: Locate, dtype: np.dtype[Any], wanted: int) -> NDArray[Any]:
    path = _part_path(block, locate)
    size = path.stat().st_size
    offset = size - wanted if block.skip == -1 else block.offset + block.skip
    if offset < 0 or offset + wanted > size:
        raise _truncated(wanted, max(0, size - block.offset))
    try:
        return np.memmap(path, dtype, mode="r", offset=offset, shape=(wanted // dtype.itemsize,))
    except (OSError, ValueError) as error:
        raise Unreadable(f"the voxels cannot be mapped: {type(error).__name__}") from error


def _rescaled(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Rescale a flat array piece by piece."""
    dtype = rescaled_dtype(stored.dtype, slope, intercept)
    array = writable_array((stored.size,), dtype)
    step = CHUNK // dtype.itemsize
    for start in range(0, stored.size, step):
        array[start : start + step] = rescale(stored[start : start + step], slope, intercept)
        release(stored)
        release(array)
    array.flags.writeable = False
    return array


def _decoded_blocks(voxels: Voxels, locate: Locate) -> Iterator[memoryview]:
    """Yield all decompressed bytes of the array, in order."""
    share, rest = divmod(stored_bytes(voxels), max(1, len(voxels.blocks)))
    if rest or not voxels.blocks:
        raise Unreadable(f"{len(voxels.blocks)} parts cannot hold equal shares of the array")
    for block in voxels.blocks:
        path = _part_path(block, locate)
        skip = block.skip if block.skip >= 0 else _before_tail(path, block, voxels.encoding, share)
        with path.open("rb") as file:
            file.seek(block.offset)
            yield from _decoded(decoder(file, voxels.encoding), skip, share)


def _before_tail(path: Path, block: Block, encoding: str, share: int) -> int:
    """Count what comes before the last `share` bytes, in a first pass over the stream."""
    if encoding == "raw":
        total = path.stat().st_size - block.offset
    else:
        total = 0
        with path.open("rb") as file:
            file.seek(block.offset)
            stream = decoder(file, encoding)
            while total <= share + TAIL_SLACK and (chunk := _read(stream, CHUNK)):
                total += len(chunk)
    if not 0 <= total - share <= TAIL_SLACK:
        raise _truncated(share, total)
    return total - share


def _decoded(stream: IO[bytes], skip: int, share: int) -> Iterator[memoryview]:
    """Yield exactly `share` bytes after the first `skip` ones."""
    while skip:
        dropped = len(_read(stream, min(skip, CHUNK)))
        if not dropped:
            raise _truncated(share, 0)
        skip -= dropped
    left = share
    while left:
        chunk = _read(stream, min(left, CHUNK))
        if not chunk:
            raise _truncated(share, share - left)
        left -= len(chunk)
        yield memoryview(chunk)
    _check_end(stream)


def _read(stream: IO[bytes], count: int) -> bytes:
    try:
        return stream.read(count)
    except DECODE_ERRORS as error:
        if "checksum" in str(error):
            raise Unreadable("the checksum of the compressed voxels is wrong") from error
        raise Unreadable(f"the compressed voxels are damaged ({type(error).__name__})") from error


def _check_end(stream: IO[bytes]) -> None:
    """Read on by one byte: a checksum is compared only when the end of its stream is met. Other ends do no harm."""
    try:
        stream.read(1)
    except DECODE_ERRORS as error:
        if "checksum" in str(error):
            raise Unreadable("the checksum of the compressed voxels is wrong") from error


def decoder(file: BinaryIO, encoding: str) -> IO[bytes]:
    """Give a stream of decompressed bytes from the current position of an open file.

    Raises
    ------
    Unsupported
        The encoding is not one that holds bytes (``raw``, ``gzip``, ``bzip2``, ``zlib``).
    """
    match encoding:
        case "raw":
            return file
        case "gzip":
            return _Inflating(file)  # type: ignore[return-value]
        case "bzip2":
            return bz2.BZ2File(file)
        case "zlib":
            return _Inflating(file, zlib_too=True)  # type: ignore[return-value]
    raise Unsupported(f"voxels of encoding {encoding!r} are not read here")


class _Inflating:
    """The `read` of gzip (RFC 1952, of several members) by ISA-L, or of zlib (RFC 1950), never more than asked for.

    What follows the last member is ignored, as gzip does with padding.
    """

    def __init__(self, file: BinaryIO, *, zlib_too: bool = False) -> None:
        self._file = file
        start = file.read(2)
        file.seek(-len(start), os.SEEK_CUR)
        self._flag = igzip_lib.DECOMP_GZIP if start == GZIP_MAGIC or not zlib_too else igzip_lib.DECOMP_ZLIB
        self._member = igzip_lib.IgzipDecompressor(flag=self._flag)

    def read(self, count: int) -> bytes:
        """Read `count` decompressed bytes; fewer only at the end."""
        pieces: list[bytes] = []
        while count > 0 and not (self._member.eof and not self._next_member()):
            packed = b""
            if self._member.needs_input:
                packed = self._file.read(PACKED_CHUNK)
                if not packed:
                    raise EOFError("the compressed stream ends early")
            pieces.append(self._member.decompress(packed, count))
            count -= len(pieces[-1])
        return b"".join(pieces)

    def _next_member(self) -> bool:
        self._file.seek(-len(self._member.unused_data), os.SEEK_CUR)
        start = self._file.read(2)
        self._file.seek(-len(start), os.SEEK_CUR)
        if self._flag != igzip_lib.DECOMP_GZIP or start != GZIP_MAGIC:
            return False
        self._member = igzip_lib.IgzipDecompressor(flag=self._flag)
        return True


def _from_text(voxels: Voxels, locate: Locate, wanted: int) -> NDArray[Any]:
    """Read decimal or hexadecimal text, each block whole."""
    dtype = np.dtype(voxels.dtype)
    check_ratio(voxels, locate)
    if wanted // dtype.itemsize > MOST_TEXT_VALUES:
        raise Unsupported(f"an array of {wanted // dtype.itemsize} values as text is not read")
    pieces = []
    for block in voxels.blocks:
        with _part_path(block, locate).open("rb") as file:
            file.seek(block.offset)
            text = file.read(64 * wanted + CHUNK)  # no sane text has more than 64 characters per byte
        try:
            pieces.append(_numbers(text, dtype, voxels.encoding))
        except ValueError as error:
            raise Unreadable("the voxels are not the text that the header announces") from error
    array = np.concatenate(pieces)
    if array.size * dtype.itemsize < wanted:
        raise _truncated(wanted, array.size * dtype.itemsize)
    return array[: wanted // dtype.itemsize]


def _numbers(text: bytes, dtype: np.dtype[Any], encoding: str) -> NDArray[Any]:
    if encoding == "hex":
        data = bytes.fromhex(text.decode("ascii"))
        return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)
    words = text.replace(b",", b" ").split()
    if dtype.kind in "iu":
        return np.array([int(word) for word in words]).astype(dtype)
    return np.array([float(word) for word in words], dtype)


def _part_path(block: Block, locate: Locate) -> Path:
    path = locate(block.part)
    if not path.is_file():
        raise Unreadable("a file with voxels that the header names is missing", hint="keep it beside its header")
    return path


def _truncated(wanted: int, found: int) -> Unreadable:
    return Unreadable(f"the voxels are truncated: {wanted} bytes are declared, {found} are there")
