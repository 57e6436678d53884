"""Writes NRRD: attached in a stream, or a header alone that points into other files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid, Unsupported
from vasculum.formats import nrrd_header as text
from vasculum.formats.writing import gzipped, replacing, storable, write_slabs
from vasculum.model.geometry import Geometry

MARK = "vasculum."
"""Prefix of our own keys."""


def write(
    path: Path,
    array: NDArray[Any],
    geometry: Geometry | None,
    attributes: Mapping[str, str] | None = None,
    encoding: str = "raw",
    *,
    axes: str = "",
    kinds: str = "",
) -> None:
    """Write an attached NRRD in a stream; under its name only when it is whole.

    Parameters
    ----------
    path
        Target.
    array
        Shape (k, j, i), (t, k, j, i), (k, j, i, c) or (t, k, j, i, c); stored in that order.
    geometry
        LPS millimetres; None leaves the place in space unsaid.
    attributes
        Key/value pairs. Keys that begin with ``vasculum.`` and their values are ASCII only.
    encoding
        ``raw``, or ``gzip`` (ISA-L level 1).
    axes
        Names of the axes of `array`; needed for four axes.
    kinds
        NRRD kind of the axis c (default ``vector``).

    Raises
    ------
    Invalid
        A key or value is not ASCII, or the axes do not fit the array.
    """
    array = storable(array)
    named = axes or {3: "kji", 5: "tkjic"}.get(array.ndim, "")
    lines = header_lines(
        array.dtype.newbyteorder("<"), array.shape, geometry, axes=named, encoding=encoding, component=kinds
    )
    head = "\n".join([*lines, *key_lines(attributes or {})]) + "\n\n"
    write_attached(path, head, array, encoding)


def write_attached(path: Path, head: str, array: NDArray[Any], encoding: str) -> None:
    """Write header text and voxels (in C order) under a temporary name, then rename."""
    with replacing(path) as file:
        file.write(head.encode("utf-8"))
        with gzipped(file, encoding == "gzip") as stream:
            write_slabs(stream, array)


def write_header(
    path: Path,
    *,
    dtype: np.dtype[Any] | str,
    geometry: Geometry | None,
    data_file: str | Sequence[str],
    byte_skip: int = 0,
    keys: Mapping[str, str] | None = None,
    axes: str = "kji",
    sizes: tuple[int, ...] | None = None,
    kinds: str = "",
    encoding: str = "raw",
) -> None:
    """Write a detached header (``.nhdr``) whose voxels lie in other files.

    Parameters
    ----------
    path
        Target.
    dtype
        numpy type of the stored numbers, with its byte order.
    geometry
        LPS millimetres.
    data_file
        Path relative to the folder of `path`, with forward slashes; several hold equal shares, slowest axis first.
    byte_skip
        Bytes before the voxels in every data file. Never -1: a pad byte at the end would shift the voxels unseen.
    keys
        Key/value pairs.
    axes, sizes
        Axes as stored, slowest first, and their lengths; by default those of `geometry`.
    kinds
        NRRD kind of the axis c (default ``vector``).
    encoding
        ``raw`` or ``gzip``.

    Raises
    ------
    Invalid
        Neither sizes nor geometry are given, or `byte_skip` is negative.
    """
    shape = sizes or (geometry.shape if geometry else ())
    if byte_skip < 0 or not shape:
        raise Invalid("a detached header needs sizes and a byte skip that is not negative")
    lines = header_lines(np.dtype(dtype), shape, geometry, axes=axes, encoding=encoding, component=kinds)
    if byte_skip:
        lines.append(f"byte skip: {byte_skip}")
    lines += key_lines(keys or {})
    if isinstance(data_file, str):
        lines.append(f"data file: {data_file}")
    else:
        lines += ["data file: LIST", *data_file]
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode("utf-8"))


def header_lines(
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    geometry: Geometry | None,
    *,
    axes: str,
    encoding: str,
    component: str = "",
) -> list[str]:
    """Give the lines of an NRRD header; `axes` and `shape` as stored, slowest first."""
    fastest_first = axes[::-1]
    if len(axes) != len(shape) or sorted(axes.replace("t", "").replace("c", "")) != ["i", "j", "k"]:
        raise Invalid(f"axes {axes!r} do not fit an array of {len(shape)} axes")
    if encoding not in {"raw", "gzip"}:
        raise Unsupported(f"NRRD is written raw or gzip, not {encoding!r}")
    kind = {"t": "list", "c": component or "vector"}
    lines = [
        "NRRD0004" if geometry else "NRRD0003",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {type_name(dtype)}",
        f"dimension: {len(axes)}",
        *(["space: left-posterior-superior"] if geometry else []),
        "sizes: " + " ".join(str(size) for size in reversed(shape)),
        *_directions(geometry, fastest_first),
        "kinds: " + " ".join(kind.get(axis, "domain") for axis in fastest_first),
        *([f"endian: {'big' if dtype.str[0] == '>' else 'little'}"] if dtype.itemsize > 1 else []),
        f"encoding: {encoding}",
    ]
    if geometry:
        lines.append("space origin: " + _vector(geometry.affine[:3, 3]))
    return lines


def _directions(geometry: Geometry | None, fastest_first: str) -> list[str]:
    if geometry is None:
        return []
    words = [_vector(geometry.affine[:3, "ijk".index(axis)]) if axis in "ijk" else "none" for axis in fastest_first]
    return ["space directions: " + " ".join(words)]


def _vector(numbers: NDArray[np.float64]) -> str:
    return "(" + ",".join(repr(float(number) + 0.0) for number in numbers) + ")"


def type_name(dtype: np.dtype[Any]) -> str:
    """Give the NRRD name of a numpy type.

    Raises
    ------
    Invalid
        NRRD has no such type.
    """
    code = dtype.str[1:]
    short = {"i1": "int8", "f4": "float", "f8": "double"}
    names = [name for name, known in text.TYPES.items() if known == code]
    if not names:
        raise Invalid(f"NRRD has no type for {dtype}")
    return short.get(code) or next(
        name for name in names if name in {"uint8", "int8"} or name.endswith(("16", "32", "64"))
    )


def key_lines(keys: Mapping[str, str]) -> list[str]:
    """Give ``key:=value`` lines.

    Raises
    ------
    Invalid
        A ``vasculum.`` key or its value is not ASCII (some readers take the header for Latin-1), or a key has ``:=``.
    """
    for key, value in keys.items():
        if key.startswith(MARK) and not (key + value).isascii():
            raise Invalid(f"key {key!r} must have an ASCII value", hint="write it as JSON with escapes")
        if ":" in key or key.startswith("#") or not key:
            raise Invalid("an NRRD key may not be empty, hold a colon or begin with #")
    return [f"{text.escaped(key)}:={text.escaped(value)}" for key, value in keys.items()]
