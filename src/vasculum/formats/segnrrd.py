"""Segmentations in NRRD (``.seg.nrrd``): the keys by which 3D Slicer says segments, both ways.

Segments share one label map, or lie in several layers where they overlap. A colour, the coded type (terminology) and
free tags belong to each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Invalid
from vasculum.formats.nrrd_writing import header_lines, key_lines, write_attached
from vasculum.formats.writing import storable
from vasculum.model.codes import Code
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry, Vector

Extent = tuple[int, int, int, int, int, int]
"""First and last index of the voxels of a segment, along i, j and k."""

TERMINOLOGY = "TerminologyEntry"
_KEY = re.compile(r"Segment(\d+)_(ID|Name|LabelValue|Layer|Color|Extent|Tags)$")


def is_segmentation(keys: Mapping[str, str]) -> bool:
    """True where the keys of an NRRD name segments."""
    return any(_KEY.match(key) for key in keys) or "Segmentation_ContainedRepresentationNames" in keys


def segments_of(keys: Mapping[str, str]) -> tuple[Segment, ...]:
    """Read the segments from the keys of an NRRD, in the order of their numbers.

    A segment without a label value (Slicer before 4.11) has the value 1 in a layer of its own.
    """
    numbers = sorted({int(match[1]) for key in keys if (match := _KEY.match(key))})
    return tuple(_segment(keys, number, position) for position, number in enumerate(numbers, start=1))


def _segment(keys: Mapping[str, str], number: int, position: int) -> Segment:
    def key(name: str) -> str:
        return keys.get(f"Segment{number}_{name}", "")

    tags = tags_of(key("Tags"))
    category, type_, modifier, region = terminology(tags.get(TERMINOLOGY, ""))
    value = _integer(key("LabelValue"))
    return Segment(
        number=position,
        name=key("Name") or key("ID") or f"Segment_{position}",
        label_value=1 if value is None else value,
        layer=(number if value is None else 0) if (layer := _integer(key("Layer"))) is None else layer,
        id=key("ID"),
        color=_color(key("Color")),
        category=category,
        type=type_,
        modifier=modifier,
        region=region,
        tags=tags,
    )


def _integer(word: str) -> int | None:
    try:
        return int(word)
    except ValueError:
        return None


def _color(words: str) -> Vector | None:
    try:
        red, green, blue = (float(word) for word in words.split())
    except ValueError:
        return None
    return (red, green, blue) if all(0 <= part <= 1 for part in (red, green, blue)) else None


def tags_of(joined: str) -> dict[str, str]:
    """Split ``name:value|name:value|``."""
    pairs = (tag.partition(":") for tag in joined.split("|") if tag)
    return {name: value for name, _, value in pairs}


def terminology(entry: str) -> tuple[Code | None, Code | None, Code | None, Code | None]:
    """Read category, type, type modifier and region from a terminology entry.

    ``context~scheme^value^meaning~...~...~region context~region~region modifier``
    """
    words = entry.split("~")
    codes = [_code(words[n]) if n < len(words) else None for n in (1, 2, 3, 5)]
    return codes[0], codes[1], codes[2], codes[3]


def _code(word: str) -> Code | None:
    scheme, _, rest = word.partition("^")
    value, _, meaning = rest.partition("^")
    return Code(value=value, scheme=scheme, meaning=meaning) if scheme and value else None


def terminology_entry(segment: Segment) -> str:
    """Write the terminology of a segment as Slicer does; empty where it has no coded category and type.

    An entry among the tags is kept as it came.
    """
    if TERMINOLOGY in segment.tags:
        return segment.tags[TERMINOLOGY]
    if segment.category is None or segment.type is None:
        return ""

    def word(code: Code | None) -> str:
        return f"{code.scheme}^{code.value}^{code.meaning}" if code else "^^"

    first = "~".join(word(code) for code in (segment.category, segment.type, segment.modifier))
    context = "Segmentation category and type - 3D Slicer General Anatomy list"
    return f"{context}~{first}~Anatomic codes - DICOM master list~{word(segment.region)}~^^"


def segment_keys(segments: Sequence[Segment], extents: Mapping[int, Extent] | None = None) -> dict[str, str]:
    """Give the NRRD keys that name segments.

    Parameters
    ----------
    segments
        In the order to be shown.
    extents
        Bounding box by segment number; Slicer takes the whole volume for segments without one only with a warning,
        so give one for each.

    Returns
    -------
    dict
        ``SegmentN_…`` and the ``Segmentation_…`` keys, of both the present and the older name.

    Raises
    ------
    Invalid
        A tag cannot be written.
    """
    keys: dict[str, str] = {}
    for n, segment in enumerate(segments):
        tags = dict(segment.tags)
        if entry := terminology_entry(segment):
            tags[TERMINOLOGY] = entry
        keys |= {
            f"Segment{n}_ID": segment.id or f"Segment_{segment.number}",
            f"Segment{n}_Name": segment.name,
            f"Segment{n}_NameAutoGenerated": "0",
            f"Segment{n}_ColorAutoGenerated": "0" if segment.color else "1",
            f"Segment{n}_LabelValue": str(segment.label_value),
            f"Segment{n}_Layer": str(segment.layer),
            f"Segment{n}_Tags": _joined(tags),
        }
        if segment.color:
            keys[f"Segment{n}_Color"] = " ".join(f"{part:.6g}" for part in segment.color)
        if extents and segment.number in extents:
            keys[f"Segment{n}_Extent"] = " ".join(str(index) for index in extents[segment.number])
    return keys | {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }


def _joined(tags: Mapping[str, str]) -> str:
    if any("|" in name + value or ":" in name for name, value in tags.items()):
        raise Invalid("a tag of a segment may not hold a bar, nor its name a colon: Slicer has no escape for them")
    return "".join(f"{name}:{value}|" for name, value in tags.items())


def whole_extents(segments: Sequence[Segment], shape: tuple[int, int, int]) -> dict[int, Extent]:
    """Give every segment the whole volume of shape (k, j, i) as its extent."""
    k, j, i = shape
    return {segment.number: (0, i - 1, 0, j - 1, 0, k - 1) for segment in segments}


def write(
    path: Path,
    array: NDArray[Any],
    geometry: Geometry,
    segments: Sequence[Segment],
    *,
    attributes: Mapping[str, str] | None = None,
    extents: Mapping[int, Extent] | None = None,
    encoding: str = "gzip",
) -> None:
    """Write a ``.seg.nrrd`` that 3D Slicer opens as a segmentation.

    Parameters
    ----------
    path
        Target; its name should end in ``.seg.nrrd``.
    array
        Label map (k, j, i), or layers of them (t, k, j, i), of whole numbers.
    geometry
        LPS millimetres.
    segments
        Their label values and layers point into `array`.
    attributes
        Further keys.
    extents
        See `segment_keys`; by default the whole volume.
    encoding
        ``gzip`` or ``raw``.
    """
    array = storable(array)
    stored, axes = (array, "kji") if array.ndim == 3 else (np.moveaxis(array, 0, 3), "kjit")
    keys = segment_keys(segments, extents or whole_extents(segments, geometry.shape)) | dict(attributes or {})
    lines = header_lines(array.dtype.newbyteorder("<"), stored.shape, geometry, axes=axes, encoding=encoding)
    write_attached(path, "\n".join([*lines, *key_lines(keys)]) + "\n\n", stored, encoding)
