"""MetaImage (ITK): ``.mha`` (attached) and ``.mhd`` (detached), as the MetaIO documentation defines them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Head, Locate
from vasculum.formats.detached import MOST_FILES, numbered_names, part_name
from vasculum.formats.plausible import label_map_hint, plausibility
from vasculum.formats.rawvoxels import block_at, read_array, unmet
from vasculum.model.description import Description, Finding, Part, Value, Voxels
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind, Severity

MOST_HEADER_BYTES = 4 * 1024 * 1024
TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
"""numpy type by the word after ``MET_``; MetaIO's LONG has 32 bits in files."""

_START = re.compile(rb"\s*(?:\w+\s*=[^\n]*\n\s*)*?(?:ObjectType\s*=\s*Image|NDims\s*=\s*\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A parsed MetaImage header."""

    fields: Mapping[str, str]
    """By lower-case name."""
    names: Mapping[str, str]
    """The names as written, by lower-case name."""
    file_list: tuple[str, ...]
    data_offset: int
    """First byte after the line of ElementDataFile."""

    def text(self, *names: str, default: str = "") -> str:
        """Give the first of these fields that is there."""
        return next((self.fields[name.lower()] for name in names if name.lower() in self.fields), default)

    def flag(self, *names: str) -> bool:
        """True where the first of these fields that is there says so."""
        return self.text(*names).lower() in {"true", "1", "t", "yes"}

    def numbers(self, *names: str, count: int) -> list[float] | None:
        """Give the numbers of a field; None where it is absent.

        Raises
        ------
        ValueError
            There are not `count` numbers.
        """
        words = self.text(*names).replace(",", " ").split()
        if not words:
            return None
        if len(words) != count:
            raise ValueError(f"{names[0]} has {len(words)} numbers, not {count}")
        return [float(word) for word in words]


class MetaImage:
    """The format ``metaimage``."""

    name = "metaimage"

    def recognises(self, head: Head) -> bool:
        """True where the text begins like a MetaImage and names its element data."""
        if b"ElementDataFile" not in head.start and b"DimSize" not in head.start:
            return False
        return bool(_START.match(head.start[:4096]))

    def describe(self, path: Path) -> Description:
        """Describe a MetaImage; attributes are ``metaimage.<field>``. See `Format.describe`."""
        header = read_header(path)
        sizes = _sizes(header)
        names = _data_names(header, path)
        voxels = _voxels(header, sizes, path, names)
        geometry, findings = _placement(header, sizes)
        findings += unmet(voxels, path.parent)
        findings += [found for found in (label_map_hint(path.name, voxels.dtype), plausibility(geometry)) if found]
        attributes: dict[str, tuple[Value, ...]] = {
            f"metaimage.{header.names[name]}": (value,) for name, value in header.fields.items()
        }
        return Description(
            format=self.name,
            kind=Kind.IMAGE if len(sizes) < 3 else Kind.VOLUME,
            parts=(
                Part(name=path.name, role="header" if names else "data"),
                *(Part(name=name, role="voxels") for name in names),
            ),
            title=re.sub(r"\.(mha|mhd)$", "", path.name, flags=re.IGNORECASE),
            modality={"MET_MOD_CT": "CT", "MET_MOD_MR": "MR", "MET_MOD_US": "US"}.get(header.text("Modality"), ""),
            geometry=geometry,
            voxels=voxels,
            attributes=attributes,
            findings=tuple(findings),
        )

    def read_voxels(self, description: Description, locate: Locate) -> NDArray[Any]:
        """Give the voxels; see `rawvoxels.read_array`. As in ITK, no intensity function is applied."""
        assert description.voxels is not None
        return read_array(description.voxels, locate)


FORMATS = (MetaImage(),)


def read_header(path: Path) -> Header:
    """Read the lines up to ElementDataFile.

    Raises
    ------
    Unreadable
        A line is no field, or the header has no end.
    """
    fields: dict[str, str] = {}
    names: dict[str, str] = {}
    with path.open("rb") as stream:
        while line := stream.readline(MOST_HEADER_BYTES):
            name, equals, value = line.decode("utf-8", "replace").partition("=")
            name = name.strip()
            if not equals and not line.strip():
                continue
            if not equals or stream.tell() > MOST_HEADER_BYTES:
                raise Unreadable("the MetaImage header is damaged or has no end")
            fields[name.lower()], names[name.lower()] = value.strip(), name
            if name.lower() == "elementdatafile":
                offset = stream.tell()
                listed = value.split()[:1] == ["LIST"]
                rest = stream.read(MOST_HEADER_BYTES).decode("utf-8", "replace").splitlines() if listed else []
                files = tuple(text.strip() for text in rest if text.strip())
                return Header(fields=fields, names=names, file_list=files, data_offset=offset)
    raise Unreadable("the MetaImage header names no element data")


def _sizes(header: Header) -> list[int]:
    """Give the lengths of the axes, the fastest first."""
    try:
        count = int(header.text("NDims"))
        sizes = [int(size) for size in header.numbers("DimSize", count=count) or []]
    except ValueError as error:
        raise Unreadable("the MetaImage header has no valid NDims and DimSize") from error
    if not sizes or min(sizes) < 1:
        raise Unreadable("the MetaImage header declares sizes that are no array")
    if len(sizes) > 4:
        raise Unsupported(f"MetaImage of {len(sizes)} dimensions is not read")
    return sizes


def _data_names(header: Header, path: Path) -> tuple[str, ...]:
    field = header.text("ElementDataFile")
    if field.upper() == "LOCAL":
        return ()
    names = header.file_list if field.split()[:1] == ["LIST"] else numbered_names(field) or (field,)
    if not 0 < len(names) <= MOST_FILES:
        raise Unreadable("the MetaImage header names no data files, or too many")
    return tuple(part_name(path, name) for name in names)


def _voxels(header: Header, sizes: list[int], path: Path, names: tuple[str, ...]) -> Voxels:
    word = header.text("ElementType").upper().removeprefix("MET_").removesuffix("_ARRAY")
    if word not in TYPES:
        raise Unsupported("MetaImage of this element type is not read")
    try:
        channels = int(header.text("ElementNumberOfChannels", default="1"))
        skip = int(header.text("HeaderSize", default="0"))
    except ValueError as error:
        raise Unreadable("the MetaImage header has no valid number of channels or header size") from error
    if channels < 1 or skip < -1:
        raise Unreadable("the MetaImage header has no valid number of channels or header size")
    axes = "t" * (len(sizes) == 4) + "kji" + "c" * (channels > 1)
    length = {**dict(zip("ijkt", [*sizes, 1, 1, 1][:4], strict=True)), "c": channels}
    big = header.flag("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    code = TYPES[word]
    compressed = header.flag("CompressedData")
    encoding = "zlib" if compressed else "raw"
    if header.fields.get("binarydata", "true").lower() in {"false", "0"}:
        encoding = "text"
    start = 0 if names else header.data_offset
    return Voxels(
        dtype=("|" if code.endswith("1") else ">" if big else "<") + code,
        axes=axes,
        sizes=tuple(length[axis] for axis in axes),
        encoding=encoding,
        blocks=tuple(block_at(name, start, skip, encoding) for name in names or (path.name,)),
    )


def _placement(header: Header, sizes: list[int]) -> tuple[Geometry | None, list[Finding]]:
    """Give the place in LPS: spacing, offset, and the direction of every axis, one axis after the other."""
    count = len(sizes)
    findings = []
    try:
        spacing = header.numbers("ElementSpacing", "ElementSize", count=count)
        offset = header.numbers("Offset", "Position", "Origin", count=count) or [0.0] * count
        rows = header.numbers("TransformMatrix", "Rotation", "Orientation", count=count * count)
        if spacing is None:
            text = "the header says no spacing of the voxels"
            return None, [Finding(code="needs-voxel-size", text=text)]
        directions = np.eye(count) if rows is None else np.reshape(rows, (count, count)).T
        matrix = np.eye(4)
        used = min(count, 3)
        matrix[:used, :used] = (directions * spacing)[:used, :used]
        matrix[:used, 3] = offset[:used]
        shape = [*sizes, 1, 1][:3]
        geometry = Geometry.from_affine(matrix, (shape[2], shape[1], shape[0]))
    except ValueError as error:
        return None, [Finding(code="bad-geometry", text=str(error), severity=Severity.ERROR)]
    if header.text("ElementToIntensityFunctionSlope", default="1") not in {"1", "1.0"}:
        text = "the header has an intensity function; as in ITK the stored values are given"
        findings.append(Finding(code="unapplied-rescale", text=text, severity=Severity.NOTE))
    return geometry, findings
