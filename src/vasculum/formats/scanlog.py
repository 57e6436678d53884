"""Logs of micro-CT scanners: Bruker SkyScan and NRecon (.log), Nikon (.xtekct), Phoenix datos|x (.pca).

A log is a document of its own; beside the slices that it belongs to it becomes their sidecar (see `stack`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vasculum.errors import Unreadable
from vasculum.formats.base import Head
from vasculum.formats.text import decode, read_bytes
from vasculum.model.description import Attributes, Description, Part, Value
from vasculum.model.geometry import Vector
from vasculum.model.kinds import Kind

_LOG_BYTES = 8 * 1024 * 1024
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MM = 1.0
_UM = 1e-3

Fields = dict[str, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one maker calls the things that everybody wants to know."""

    maker: str
    marks: tuple[str, ...]
    """Section or key names, one of which starts the file's recognition."""
    voxel: tuple[tuple[tuple[str, ...], float], ...]
    """Keys of the voxel size along i, j and k, with millimetres per unit; the first group that is there counts."""
    names: Mapping[str, str]
    """DICOM keyword → key of the log."""


_SKYSCAN = _Dialect(
    maker="Bruker SkyScan",
    marks=("[system]", "[acquisition]", "[reconstruction]"),
    voxel=(
        (("Pixel Size (um)",), _UM),
        (("Image Pixel Size (um)",), _UM),
        (("Scaled Image Pixel Size (um)",), _UM),
        (("Image Pixel Size [um]",), _UM),
    ),
    names={
        "ManufacturerModelName": "Scanner",
        "DeviceSerialNumber": "Instrument S/N",
        "KVP": "Source Voltage (kV)",
        "XRayTubeCurrentInuA": "Source Current (uA)",
        "ExposureTime": "Exposure (ms)",
        "FilterType": "Filter",
        "DistanceSourceToDetector": "Camera to Source (mm)",
        "DistanceSourceToPatient": "Object to Source (mm)",
    },
)
_NIKON = _Dialect(
    maker="Nikon Metrology",
    marks=("[xtekct]",),
    voxel=((("VoxelSizeX", "VoxelSizeY", "VoxelSizeZ"), _MM),),
    names={
        "KVP": "XraykV",
        "XRayTubeCurrentInuA": "XrayuA",
        "FilterMaterial": "Filter_Material",
        "DistanceSourceToDetector": "SrcToDetector",
        "DistanceSourceToPatient": "SrcToObject",
    },
)
_PHOENIX = _Dialect(
    maker="GE phoenix|x-ray",
    marks=("[geometry]", "[multiscan]"),
    voxel=((("VoxelSizeX", "VoxelSizeY", "VoxelSizeZ"), _MM), (("VoxelSizeX", "VoxelSizeX", "VoxelSizeX"), _MM)),
    names={
        "KVP": "Voltage",
        "XRayTubeCurrentInuA": "Current",
        "ExposureTime": "TimingVal",
        "FilterMaterial": "Filter",
        "DistanceSourceToDetector": "FDD",
        "DistanceSourceToPatient": "FOD",
    },
)
_BY_ENDING = {".log": _SKYSCAN, ".xtekct": _NIKON, ".pca": _PHOENIX}


@dataclass(frozen=True, slots=True)
class ScanLog:
    """Scanner logs."""

    name: str = "scanlog"

    def recognises(self, head: Head) -> bool:
        """By name and a section that the maker writes."""
        dialect = _BY_ENDING.get(head.path.suffix.lower())
        if dialect is None or b"=" not in head.start:
            return False
        text = decode(head.start)[0].lower()
        return any(mark in text for mark in dialect.marks)

    def describe(self, path: Path) -> Description:
        """Give every field as ``scan.<key>``, and the common ones under their DICOM keyword."""
        dialect = _BY_ENDING.get(path.suffix.lower(), _SKYSCAN)
        fields = _fields(decode(read_bytes(path, _LOG_BYTES))[0])
        if not fields:
            raise Unreadable("the scanner log has no fields")
        attributes: Fields = {f"scan.{key}": values for key, values in fields.items()}
        attributes |= {word: fields[key][:1] for word, key in dialect.names.items() if key in fields}
        attributes |= {"Manufacturer": (dialect.maker,), **_acquired(fields)}
        size = _voxel_size(fields, dialect)
        if size is not None:
            attributes["scan.VoxelSizeMicrometre"] = tuple(round(v * 1000, 9) for v in size)
        return Description(
            format=self.name,
            kind=Kind.DOCUMENT,
            parts=(Part(name=path.name, role="sidecar"),),
            title=path.stem,
            modality="CT",
            attributes=attributes,
        )


FORMATS = (ScanLog(),)


def voxel_size(description: Description) -> Vector | None:
    """Give the voxel size along (i, j, k) that a scanner log states, in millimetres; None if it states none."""
    size = description.attributes.get("scan.VoxelSizeMicrometre", ())
    if len(size) != 3:
        return None
    x, y, z = (float(v) / 1000 for v in size)
    return x, y, z


def tells_projections(description: Description, prefix: str, size: tuple[int, int]) -> bool:
    """Say whether the pictures of that prefix and size (rows, columns) are the projections of a scan.

    A SkyScan log names the projections by its first ``Filename Prefix``, and their size by ``Number of Rows``; NRecon
    adds the prefix of its slices (``..._rec``) to the end.
    """
    named = description.attributes.get("scan.Filename Prefix", ())
    if not named:
        return False
    reconstructed = "scan.Reconstruction Program" in description.attributes
    if not reconstructed:
        return True
    sizes = ("scan.Number of Rows", "scan.Number of Columns")
    detector = tuple(description.attributes.get(key, (0,))[0] for key in sizes)
    return prefix.rstrip("_- .~") == str(named[0]) != str(named[-1]) or detector == size


def is_reconstruction(description: Description) -> bool:
    """Say whether a log tells of a reconstruction, not only of a scan."""
    marks = ("scan.Reconstruction Program", "scan.Pixel Size (um)", "scan.VoxelsX", "scan.VoxelSizeX")
    return any(mark in description.attributes for mark in marks)


def prefixes(description: Description) -> tuple[str, ...]:
    """Give the file name prefixes that a log states for its pictures; the last one is the most specific."""
    keys = ("scan.Dataset Prefix", "scan.Filename Prefix", "scan.Name")
    return tuple(str(v) for key in keys for v in description.attributes.get(key, ()))


def _fields(text: str) -> dict[str, tuple[Value, ...]]:
    """Read ``key=value`` lines of all sections; a key that occurs twice has both values."""
    fields: dict[str, tuple[Value, ...]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        key, value = key.strip(), value.strip()
        if equals and key and value and not key.startswith(("[", ";", "#")):
            fields[key] = (*fields.get(key, ()), _number(value))
    return fields


def _number(text: str) -> Value:
    if not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("+-").isdigit():
        # Serial numbers and names such as 0012 are no numbers.
        return text if text.lstrip("+-").startswith("0") and len(text.lstrip("+-")) > 1 else int(text)
    value = float(text)
    return value if math.isfinite(value) else text


def _voxel_size(fields: Mapping[str, tuple[Value, ...]], dialect: _Dialect) -> Vector | None:
    for keys, scale in dialect.voxel:
        given = [fields[key][-1] for key in keys if key in fields]
        numbers = [float(v) * scale for v in given if isinstance(v, (int, float)) and v > 0]
        if len(numbers) != len(keys):
            continue
        x, y, z = numbers if len(numbers) == 3 else (numbers[0], numbers[0], numbers[0] * _section_step(fields))
        return x, y, z
    return None


def _section_step(fields: Mapping[str, tuple[Value, ...]]) -> float:
    """NRecon may reconstruct every n-th section only."""
    step = fields.get("Section to Section Step", (1,))[-1]
    return float(step) if isinstance(step, (int, float)) and step >= 1 else 1.0


def _acquired(fields: Attributes) -> Fields:
    """``Study Date and Time=Feb 22, 2018  21:18:41`` (English in every locale) as DICOM date and time."""
    stated = str(fields.get("Study Date and Time", ("",))[0])
    found = re.match(r"([A-Za-z]{3})[a-z]* (\d{1,2}), (\d{4})\s+(\d{1,2})h?:(\d\d)m?:(\d\d)", stated)
    if not found or found[1].lower() not in _MONTHS:
        return {}
    month = _MONTHS.index(found[1].lower()) + 1
    return {
        "AcquisitionDate": (f"{found[3]}{month:02}{int(found[2]):02}",),
        "AcquisitionTime": (f"{int(found[4]):02}{found[5]}{found[6]}",),
    }
