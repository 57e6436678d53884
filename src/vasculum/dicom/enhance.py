"""Write a volume as one multi-frame DICOM image whose pixels are the values themselves.

Which class a volume becomes (see `image_class`):

===========================  ==============================  =====================================
values                       modality                        SOP class
===========================  ==============================  =====================================
int16, uint16                CT                              Enhanced CT
uint8, int16, uint16         MR                              Enhanced MR
uint8, uint16                any other                       Multi-frame Grayscale Byte / Word SC
int16                        any other                       Enhanced CT, values without unit
RGB uint8                    any                             Multi-frame True Color SC
floats; 32-bit integers      any                             Parametric Map
===========================  ==============================  =====================================

Secondary Capture knows no signed pixels, and readers of parametric maps are rarer than those of Enhanced CT; so
signed volumes of unknown meaning are written as Enhanced CT too, with a Real World Value Mapping that says that their
values have no unit.
Integers of other widths that fit 16 bits are re-expressed in 16 bits; the values are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid, Unsupported
from vasculum.model.description import Attributes
from vasculum.model.geometry import Geometry

from .legacy import Converted, converted_class, converted_dataset
from .slices import SliceHeaders
from .spool import narrowed
from .subject import Context, apply_subject
from .volume_header import (
    BYTE_CAPTURE,
    COLOR_CAPTURE,
    ENHANCED_CT,
    ENHANCED_MR,
    PARAMETRIC_MAP,
    WORD_CAPTURE,
    VolumeHeader,
    volume_dataset,
)
from .write import Written, write_streamed

_NOTHING: Attributes = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ImageClass:
    """What a volume becomes."""

    sop_class_uid: str
    dtype: np.dtype[Any]
    """How its values are stored."""
    pixel_keyword: str = "PixelData"


def image_class(dtype: np.dtype[Any], modality: str, axes: str = "kji") -> ImageClass:
    """Choose the SOP class and the stored type for values of a type.

    Raises
    ------
    Unsupported
        Values that no class holds: complex numbers, vectors, time series.
    """
    if axes == "kjic" and dtype == np.uint8:
        return ImageClass(COLOR_CAPTURE, np.dtype("u1"))
    if axes != "kji":
        raise Unsupported(f"a volume with axes {axes} has no multi-frame image class here", hint="store it as NRRD")
    if dtype.kind == "f" and dtype.itemsize <= 8:
        single = dtype.itemsize <= 4
        keyword = "FloatPixelData" if single else "DoubleFloatPixelData"
        return ImageClass(PARAMETRIC_MAP, np.dtype("f4" if single else "f8"), keyword)
    if dtype.kind not in "iub":
        raise Unsupported(f"values of type {dtype} have no place in DICOM", hint="store them as NRRD")
    if dtype.itemsize > 2:
        return ImageClass(PARAMETRIC_MAP, np.dtype("f8"), "DoubleFloatPixelData")
    stored = np.dtype({"b": "u1", "i": "i2", "u": f"u{dtype.itemsize}"}[dtype.kind])
    if modality == "MR":
        return ImageClass(ENHANCED_MR, stored)
    if stored == np.int16 or (stored == np.uint16 and modality == "CT"):
        return ImageClass(ENHANCED_CT, stored)
    return ImageClass(BYTE_CAPTURE if stored.itemsize == 1 else WORD_CAPTURE, stored)


def write_volume(
    path: Path,
    slabs: Iterable[NDArray[Any]],
    *,
    geometry: Geometry,
    dtype: np.dtype[Any],
    axes: str = "kji",
    modality: str,
    context: Context,
    series_uid: str,
    series_number: int,
    label: str,
    sop_instance_uid: str,
    attributes: Attributes = _NOTHING,
    source_headers: Sequence[Mapping[str, Any]] = (),
    window: tuple[float, float] | None = None,
    unit: str = "",
    when: datetime,
    refers_to_sources: bool = True,
) -> Written:
    """Write a volume as one multi-frame image of the class that `image_class` chooses.

    Parameters
    ----------
    slabs
        Values after rescale, shape (n, j, i) or (n, j, i, 3), in k order of `geometry` (right-handed, LPS).
    source_headers
        Of a classic CT, MR or PET series: a DICOM JSON header per slice, in k order, kept as by `legacy`.
    window, unit
        Centre and width for display; UCUM code or DICOM Rescale Type of the values.
    when
        Of the writing: Content Date and Time, which every class demands.
    refers_to_sources
        Whether to name the classic instances (Conversion Source, Common Instance Reference). False for a file-set
        that does not hold them: their UIDs are then in the record only, and `dcentvfy` finds nothing missing.

    Raises
    ------
    Invalid
        The geometry is left-handed, or the slabs do not fit it.
    Unsupported
        No class holds such values, or there are more than 4 GiB of them.
    """
    if not geometry.right_handed:
        raise Invalid("frames must be in right-handed order", hint="reverse k, and its direction in the geometry")
    with narrowed(slabs, np.dtype(dtype)) as stream:
        chosen = image_class(stream.dtype, modality, axes)
        header = VolumeHeader(
            sop_class_uid=chosen.sop_class_uid,
            dtype=chosen.dtype,
            geometry=geometry,
            modality=modality,
            sop_instance_uid=sop_instance_uid,
            series_uid=series_uid,
            series_number=series_number,
            label=label,
            attributes=attributes,
            source_headers=source_headers,
            window=window,
            unit=unit,
            when=when,
            refers_to_sources=refers_to_sources,
        )
        return _write(path, stream.slabs, header, chosen, context)


def _write(
    path: Path, slabs: Iterable[NDArray[Any]], header: VolumeHeader, chosen: ImageClass, context: Context
) -> Written:
    converted = _converted(header)
    own = {"label": header.label, "uid": header.series_uid, "source_elements": converted.unplaced}
    apply_subject(converted.dataset, context, own)
    samples = (3,) if chosen.sop_class_uid == COLOR_CAPTURE else ()
    return write_streamed(
        path,
        converted.dataset,
        slabs,
        dtype=chosen.dtype,
        frame_shape=(*header.geometry.shape[1:], *samples),
        frames=header.geometry.shape[0],
        pixel_keyword=chosen.pixel_keyword,
        notes=converted.notes,
    )


def _converted(header: VolumeHeader) -> Converted:
    """Convert the source headers where that can be done, else describe the values alone."""
    sop_class_uid = converted_class(header) if header.source_headers else ""
    if sop_class_uid:
        return converted_dataset(header, sop_class_uid)
    if header.source_headers:
        kept = SliceHeaders(header.source_headers).as_json()
        return Converted(volume_dataset(header), kept, ("the headers of the slices are kept in the record only",))
    return Converted(volume_dataset(header), {}, ())
