"""Writes single-file NIfTI, compressed by ISA-L where the name ends in ``.gz``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid
from vasculum.formats.writing import gzipped, replacing, storable, write_slabs
from vasculum.model.geometry import RAS_FROM_LPS, Geometry

SCANNER = 1
"""NIFTI_XFORM_SCANNER_ANAT."""

VECTOR_INTENT = 1007
LONGEST_NIFTI1_AXIS = 32767
COLOURS = {3: 128, 4: 2304}


def write(path: Path, array: NDArray[Any], geometry: Geometry, *, axes: str = "") -> None:
    """Write ``.nii`` or ``.nii.gz`` in a stream; under its name only when it is whole.

    Parameters
    ----------
    path
        Target; compressed where the name ends in ``.gz``.
    array
        Shape (k, j, i), (t, k, j, i), (k, j, i, c) or (t, k, j, i, c); values after rescale (slope 1 is written).
        Three or four components of 8 bits become RGB or RGBA, others a vector (dimension 5).
    geometry
        LPS millimetres; written as sform, and as qform where the axes are perpendicular, both of code 1.
    axes
        Names of the axes of `array`; needed for four axes.

    Raises
    ------
    Invalid
        The axes do not fit the array, or NIfTI has no such type.
    """
    array = storable(array)
    axes = axes or {3: "kji", 5: "tkjic"}.get(array.ndim, "")
    if axes not in {"kji", "tkji", "kjic", "tkjic"} or len(axes) != array.ndim:
        raise Invalid(f"axes {axes!r} do not fit an array of {array.ndim} axes")
    colour = axes.endswith("c") and array.dtype == np.uint8 and array.shape[-1] in COLOURS
    stored = np.moveaxis(array, -1, 0) if axes.endswith("c") and not colour else array
    head = _header(array, geometry, axes, colour)
    with replacing(path) as file, gzipped(file, path.name.lower().endswith(".gz")) as stream:
        stream.write(head)
        write_slabs(stream, stored)


def _header(array: NDArray[Any], geometry: Geometry, axes: str, colour: bool) -> bytes:
    from nibabel import Nifti1Header, Nifti2Header
    from nibabel.spatialimages import HeaderDataError

    length = dict(zip(axes, array.shape, strict=True))
    shape = [length["i"], length["j"], length["k"]]
    vector = "c" in axes and not colour
    if "t" in axes or vector:
        shape.append(length.get("t", 1))
    if vector:
        shape.append(length["c"])
    kind = Nifti1Header if max(shape) <= LONGEST_NIFTI1_AXIS else Nifti2Header
    header = kind(endianness="<")
    try:
        header.set_data_dtype(array.dtype.newbyteorder("<"))
    except HeaderDataError as error:
        raise Invalid(f"NIfTI has no type for {array.dtype}") from error
    header.set_data_shape(shape)
    if colour:
        header["datatype"], header["bitpix"] = COLOURS[length["c"]], 8 * length["c"]
    if vector:
        header["intent_code"] = VECTOR_INTENT
    _place(header, geometry)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["magic"] = b"n+1" if kind is Nifti1Header else b"n+2"
    header["vox_offset"] = len(header.binaryblock) + 4
    return bytes(header.binaryblock) + b"\0\0\0\0"


def _place(header: Any, geometry: Geometry) -> None:
    ras = RAS_FROM_LPS @ geometry.affine
    direction = np.asarray(geometry.direction)
    perpendicular = np.allclose(direction.T @ direction, np.eye(3), atol=1e-6)
    header["pixdim"][1:4] = geometry.spacing
    header.set_sform(ras, SCANNER)
    if perpendicular:
        header.set_qform(ras, SCANNER, strip_shears=True)
    header.set_xyzt_units("mm", "sec")
