"""TIFF: any depth, tiled, compressed, BigTIFF, many pages; voxel sizes of ImageJ and OME."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported, VasculumError
from vasculum.formats.archive import BOMB_BYTES, BOMB_RATIO
from vasculum.formats.scratch import writable_array
from vasculum.formats.stack import SLICES_LEAST, VOXEL_SIZE, with_voxel_size, without_orientation, without_voxel_size
from vasculum.formats.text import flatten
from vasculum.model.description import Block, Description, Finding, Part, Value, Voxels
from vasculum.model.geometry import Vector
from vasculum.model.kinds import Kind, Severity

_MM_PER_UNIT = {
    **dict.fromkeys(
        ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "\\u00b5m", "\\u03bcm"), 1e-3
    ),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 10.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-6),
}
_AXES = {"Y": "j", "X": "i", "S": "c", "C": "c", "Z": "k", "T": "t"}
_CHANNELS_MOST = 4
_TAGS = (
    "ImageWidth",
    "ImageLength",
    "BitsPerSample",
    "PhotometricInterpretation",
    "Software",
    "DateTime",
    "ResolutionUnit",
)

# Broken tags are told by our findings; the library's own lines name files.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def describe_tiff(path: Path, format_name: str) -> Description:
    """Describe the first series of a TIFF: a picture, a cine, or a volume where it has three or more pages."""
    with _opened(path) as tiff:
        series = tiff.series[0]
        size = _voxel_size(tiff)
        order = _order(_axis_letters(tiff, series))
        axes = "".join(axis for axis in "tkjic" if axis in order or axis == "k")
        length = dict(zip(order, series.shape, strict=True))
        sizes = tuple(int(length.get(axis, 1)) for axis in axes)
        dtype = _dtype(tiff, series)
        _refuse_bomb(math.prod(sizes) * dtype.itemsize, path)
        stored = "".join(a for a in order if a != "k") if "k" not in order else order
        voxels = Voxels(
            dtype=dtype.str,
            axes=axes,
            sizes=sizes,
            encoding="image",
            order="" if "k" not in order or stored == axes else stored,
            blocks=(Block(part=path.name),),
        )
        description = Description(
            format=format_name,
            kind=Kind.VOLUME if length.get("k", 1) >= SLICES_LEAST else Kind.IMAGE,
            parts=(Part(name=path.name),),
            title=re.sub(r"(\.ome)?\.tiff?$", "", path.name, flags=re.IGNORECASE),
            voxels=voxels,
            attributes=_attributes(tiff) | ({VOXEL_SIZE: size} if size is not None else {}),
            findings=tuple(_findings(tiff)),
        )
    return _placed(description, size)


def read_tiff(path: Path, voxels: Voxels) -> NDArray[Any]:
    """Read the first series, axes as `voxels.axes`: a read-only memory map where it lies uncompressed in one run."""
    with _opened(path) as tiff:
        series = tiff.series[0]
        order = _order(_axis_letters(tiff, series))
        dtype = _dtype(tiff, series)
        _refuse_bomb(math.prod(series.shape) * dtype.itemsize, path)
        if series.dataoffset is not None and series.dtype.kind != "b":
            stored: NDArray[Any] = np.memmap(path, dtype, "r", series.dataoffset, series.shape)
        else:
            stored = series.asarray(out=writable_array(series.shape, series.dtype))
    if stored.dtype.kind == "b":
        stored = stored.view(np.uint8)
    if stored.ndim != len(order):
        raise Unreadable("the pages of the TIFF are not what its header states")
    if "k" not in order:
        stored, order = stored[np.newaxis], "k" + order
    return stored.transpose([order.index(axis) for axis in voxels.axes])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open without following the other files that an OME header names; every error of a damaged file is ours."""
    import tifffile

    try:
        with tifffile.TiffFile(path, _multifile=False) as tiff:
            if not tiff.series:
                raise Unreadable("the TIFF has no pages")
            yield tiff
    except (VasculumError, OSError):
        raise
    except MemoryError:
        raise Unreadable("a page of the TIFF states an impossible size") from None
    except Exception:
        # tifffile lets through whatever a wrong tag leads to: struct.error, IndexError, zlib.error, KeyError ...
        raise Unreadable("the TIFF is damaged") from None


def _axis_letters(tiff: Any, series: Any) -> str:
    """Give the axes of a series. ImageJ often calls slices frames or channels; they are taken for slices."""
    letters = str(series.axes)
    if not tiff.is_imagej or "Z" in letters:
        return letters
    length = dict(zip(letters, series.shape, strict=True))
    if "T" in length and not (tiff.imagej_metadata or {}).get("finterval"):
        return letters.replace("T", "Z")
    return letters.replace("C", "Z") if length.get("C", 0) > _CHANNELS_MOST else letters


def _order(letters: str) -> str:
    """Name the axes of a tifffile series in ours, as stored: unnamed ones are slices first, then time."""
    named = [_AXES.get(letter, "") for letter in letters]
    free = [axis for axis in "kt" if axis not in named]
    order = "".join(axis or (free.pop(0) if free else "?") for axis in named)
    if "?" in order or len(set(order)) != len(order) or not {"j", "i"} <= set(order):
        raise Unsupported(
            f"a TIFF with the axes {letters!r} is not read", hint="save it with one channel or as several files"
        )
    return order


def _dtype(tiff: Any, series: Any) -> np.dtype[Any]:
    if series.dtype is None or series.dtype.kind not in "biuf":
        raise Unsupported(f"a TIFF of the type {series.dtype} is not read")
    if series.dtype.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(series.dtype.newbyteorder(tiff.byteorder if series.dataoffset is not None else "="))


def _refuse_bomb(unpacked: int, path: Path) -> None:
    size = path.stat().st_size
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * size:
        raise Unreadable(f"the picture would unpack from {size} to {unpacked} bytes")


def _placed(description: Description, size: Vector | None) -> Description:
    if description.kind is not Kind.VOLUME:
        return description
    placed = replace(description, findings=(*description.findings, without_orientation()))
    if size is not None:
        return with_voxel_size(placed, size, source="file")
    return replace(placed, findings=(*placed.findings, without_voxel_size()))


def _attributes(tiff: Any) -> dict[str, tuple[Value, ...]]:
    page = tiff.pages[0]
    attributes: dict[str, tuple[Value, ...]] = {"image.format": ("TIFF",), "tiff.pages": (len(tiff.pages),)}
    for name in _TAGS:
        value = page.tags.valueof(name)
        value = getattr(value, "name", value)
        if isinstance(value, tuple):
            attributes[f"tiff.{name}"] = value
        elif isinstance(value, (str, int, float)) and value != "":
            attributes[f"tiff.{name}"] = (value,)
    attributes["tiff.Compression"] = (_compression(page.compression),)
    said = {key: value for key, value in (tiff.imagej_metadata or {}).items() if key != "Info"}
    return attributes | dict(flatten("imagej", {k: v for k, v in said.items() if isinstance(v, (str, int, float))}))


def _compression(code: int) -> str:
    import tifffile

    try:
        return str(tifffile.COMPRESSION(code).name)
    except ValueError:
        return str(code)


def _findings(tiff: Any) -> Iterator[Finding]:
    if len(tiff.series) > 1:
        text = f"the TIFF holds {len(tiff.series)} pictures of different sizes; the first is read"
        yield Finding(code="several-pictures", text=text)
    if _axis_letters(tiff, tiff.series[0]) != tiff.series[0].axes:
        text = "ImageJ calls the pages frames or channels, without a time between them; they are taken for slices"
        yield Finding(code="frames-as-slices", text=text, severity=Severity.NOTE)
    if getattr(tiff.pages[0].photometric, "name", "") == "MINISWHITE":
        text = "low values are meant to be shown white; values are given as stored"
        yield Finding(code="inverted", text=text, severity=Severity.NOTE)


def _voxel_size(tiff: Any) -> Vector | None:
    """Give millimetres along (i, j, k) where ImageJ or OME say all three with a real unit; resolution tags alone do not."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_size(tiff.ome_metadata)
    if not tiff.is_imagej:
        return None
    said = tiff.imagej_metadata or {}
    scale = _MM_PER_UNIT.get(str(said.get("unit", "")).strip().lower())
    resolution = [_ratio(tiff.pages[0].tags.valueof(tag)) for tag in ("XResolution", "YResolution")]
    step = said.get("spacing")
    if scale is None or not all(resolution) or not isinstance(step, (int, float)) or step <= 0:
        return None
    return scale / resolution[0], scale / resolution[1], scale * float(step)


def _ratio(value: Any) -> float:
    """Give pixels per unit of a resolution tag, or 0."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
        return float(value[0]) / float(value[1])
    return 0.0


def _ome_size(xml: str) -> Vector | None:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(xml, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError):
        return None
    pixels = next((e for e in root.iter() if str(e.tag).endswith("}Pixels")), None)
    if pixels is None:
        return None
    sizes = []
    for axis in "XYZ":
        unit = _MM_PER_UNIT.get(str(pixels.get(f"PhysicalSize{axis}Unit", "µm")).lower())
        try:
            sizes.append(float(pixels.get(f"PhysicalSize{axis}", "")) * (unit or math.nan))
        except ValueError:
            return None
    if len(sizes) != 3 or not all(0 < v < math.inf for v in sizes):
        return None
    return sizes[0], sizes[1], sizes[2]
