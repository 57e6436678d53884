"""Spatial transforms: ITK's (Slicer, ANTs) as text (``.tfm``), HDF5 (``.h5``) and MATLAB 4 (``.mat``); MNI's ``.xfm``.

Only what they are is said: types, parameters of linear ones, the grid of a displacement field. Nothing is resampled.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vasculum.errors import Unreadable
from vasculum.formats.base import Head
from vasculum.model.description import Description, Finding, Part, Value
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind, Severity

TEXT_MAGIC = b"#Insight Transform File"
MNI_MAGIC = b"MNI Transform File"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_NUMBERS = 64
"""Parameters that are kept as attributes; of more (grids, splines) only the count."""

MOST_LINE_BYTES = 512 * 1024 * 1024
MOST_TRANSFORMS = 1000

_MAT_NAME = re.compile(rb"\w*Transform\w*_(double|float)_\d+_\d+\0")
_TRUNCATED = "the transform file is truncated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """One transform of a file."""

    type: str
    """ITK class with precision and dimensions: ``AffineTransform_double_3_3``."""
    count: int = 0
    """Number of parameters."""
    parameters: tuple[float, ...] = ()
    """Empty where there are more than `MOST_NUMBERS`."""
    fixed: tuple[float, ...] = ()
    """Fixed parameters: the centre of rotation, or the grid of a displacement field."""


class TransformFile:
    """The format ``transform``."""

    name = "transform"

    def recognises(self, head: Head) -> bool:
        """True for the signatures of the text forms, HDF5 with a transform group, and MATLAB 4 with an ITK name."""
        start = head.start
        if start.startswith(HDF5_MAGIC):
            return b"TransformGroup" in start
        return start.startswith((TEXT_MAGIC, MNI_MAGIC)) or _is_mat(start)

    def describe(self, path: Path) -> Description:
        """Describe a transform.

        Attributes are ``transform.type`` and ``transform.parameter-count`` (one value per transform, in the order of
        the file) and, where they are few, ``transform.parameters`` and ``transform.fixed-parameters``; `geometry` is
        the grid of a displacement field. See `Format.describe`.
        """
        with path.open("rb") as stream:
            start = stream.read(64)
            stream.seek(0)
            if start.startswith(HDF5_MAGIC):
                transforms = _from_hdf5(path)
            elif start.startswith((TEXT_MAGIC, MNI_MAGIC)):
                transforms = _from_mni(stream) if start.startswith(MNI_MAGIC) else _from_text(stream)
            else:
                transforms = _from_mat(stream)
        if not transforms:
            raise Unreadable("the transform file holds no transform")
        geometry, findings = _grid(transforms)
        return Description(
            format=self.name,
            kind=Kind.TRANSFORM,
            parts=(Part(name=path.name),),
            title=path.stem,
            geometry=geometry,
            attributes=_attributes(transforms),
            findings=findings,
        )


FORMATS = (TransformFile(),)


def _attributes(transforms: Sequence[Transform]) -> dict[str, tuple[Value, ...]]:
    attributes: dict[str, tuple[Value, ...]] = {
        "transform.type": tuple(transform.type for transform in transforms),
        "transform.parameter-count": tuple(transform.count for transform in transforms),
    }
    for name, numbers in (
        ("transform.parameters", [number for transform in transforms for number in transform.parameters]),
        ("transform.fixed-parameters", [number for transform in transforms for number in transform.fixed]),
    ):
        if numbers:
            attributes[name] = tuple(numbers)
    return attributes


def _grid(transforms: Sequence[Transform]) -> tuple[Geometry | None, tuple[Finding, ...]]:
    """Give the grid of the first displacement field: its fixed parameters are size, origin, spacing, direction."""
    for transform in transforms:
        if "DisplacementField" not in transform.type or len(transform.fixed) != 18:
            continue
        size, origin, spacing = transform.fixed[:3], transform.fixed[3:6], transform.fixed[6:9]
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(transform.fixed[9:], (3, 3)) * spacing
        matrix[:3, 3] = origin
        try:
            return Geometry.from_affine(matrix, (int(size[2]), int(size[1]), int(size[0]))), ()
        except (ValueError, OverflowError) as error:
            text = f"the grid of the displacement field is unusable: {error}"
            return None, (Finding(code="bad-geometry", text=text, severity=Severity.ERROR),)
    return None, ()


def _from_text(stream: BinaryIO) -> list[Transform]:
    found: list[Transform] = []
    fields: dict[str, bytes] = {}
    while line := stream.readline(MOST_LINE_BYTES):
        name, _, value = line.partition(b":")
        if name == b"Transform":
            found += _finished(fields)
            fields = {}
        if name in {b"Transform", b"Parameters", b"FixedParameters"}:
            fields[name.decode()] = value.strip()
    return found + _finished(fields)


def _finished(fields: dict[str, bytes]) -> list[Transform]:
    if "Transform" not in fields:
        return []
    parameters = fields.get("Parameters", b"")
    count = parameters.count(b" ") + 1 if parameters else 0
    try:
        few = tuple(float(word) for word in parameters.split()) if count <= MOST_NUMBERS else ()
        fixed = tuple(float(word) for word in fields.get("FixedParameters", b"")[:8192].split()[:MOST_NUMBERS])
    except ValueError as error:
        raise Unreadable("a parameter of the transform is not a number") from error
    return [Transform(type=fields["Transform"].decode("ascii", "replace"), count=count, parameters=few, fixed=fixed)]


def _from_mni(stream: BinaryIO) -> list[Transform]:
    text = stream.read(1024 * 1024).decode("latin-1")
    kinds = re.findall(r"Transform_Type\s*=\s*(\w+)\s*;", text)
    matrices = re.findall(r"Linear_Transform\s*=\s*([-+0-9.eE\s]+);", text)
    try:
        numbers = [tuple(float(word) for word in matrix.split()) for matrix in matrices]
    except ValueError as error:
        raise Unreadable("a parameter of the transform is not a number") from error
    return [
        Transform(type=f"MNI_{kind}", count=len(row), parameters=row)
        for kind, row in zip(kinds, [*numbers, *[()] * len(kinds)], strict=False)
    ]


def _from_hdf5(path: Path) -> list[Transform]:
    """Read types and counts; parameters are only opened where they are few. External links are not followed."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = file.get("TransformGroup")
            if not isinstance(group, h5py.Group) or len(group) > MOST_TRANSFORMS:
                raise Unreadable("the HDF5 file holds no ITK transforms")
            names = sorted((name for name in group if name.isdecimal()), key=int)
            plain = [name for name in names if isinstance(group.get(name, getlink=True), h5py.HardLink)]
            return [_hdf5_transform(group[name]) for name in plain]
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise Unreadable(f"the HDF5 file is damaged ({type(error).__name__})") from error


def _hdf5_transform(group: Any) -> Transform:
    kind = group["TransformType"]
    word = kind[0] if kind.shape else kind[()]
    parameters, fixed = (_dataset(group, name) for name in ("TransformParameters", "TransformFixedParameters"))
    return Transform(
        type=word.decode("ascii", "replace") if isinstance(word, bytes) else str(word),
        count=parameters.size if parameters is not None else 0,
        parameters=_few(parameters),
        fixed=_few(fixed),
    )


def _dataset(group: Any, name: str) -> Any:
    """Find a data set by ITK's present or its older, misspelt name."""
    import h5py

    for spelt in (name, name.replace("Parameters", "Paramters")):
        if isinstance(group.get(spelt, getlink=True), h5py.HardLink) and isinstance(group[spelt], h5py.Dataset):
            return group[spelt]
    return None


def _few(dataset: Any) -> tuple[float, ...]:
    if dataset is None or dataset.size > MOST_NUMBERS:
        return ()
    return tuple(float(number) for number in dataset[()].reshape(-1))


def _is_mat(start: bytes) -> bool:
    return (
        len(start) > 20 and start[0] in {0, 10} and start[1:4] == b"\0\0\0" and bool(_MAT_NAME.match(start[20:148]))
    )


def _from_mat(stream: BinaryIO) -> list[Transform]:
    """Read MATLAB level 4 matrices: the parameters under the name of the class, then ``fixed``."""
    kind, parameters = _matrix(stream)
    rest = stream.read(1)
    fixed: tuple[float, ...] = ()
    if rest:
        stream.seek(-1, 1)
        _, fixed = _matrix(stream)
    return [Transform(type=kind, count=len(parameters), parameters=parameters, fixed=fixed)]


def _matrix(stream: BinaryIO) -> tuple[str, tuple[float, ...]]:
    try:
        code, rows, columns, _, length = struct.unpack("<5i", stream.read(20))
    except struct.error as error:
        raise Unreadable(_TRUNCATED) from error
    width = {0: 8, 10: 4}.get(code, 0)
    if not width or not 0 <= rows * columns <= MOST_NUMBERS or not 0 < length <= 128:
        raise Unreadable("the MATLAB file holds no ITK transform of known form")
    name = stream.read(length).rstrip(b"\0").decode("ascii", "replace")
    raw = stream.read(rows * columns * width)
    if len(raw) < rows * columns * width:
        raise Unreadable(_TRUNCATED)
    return name, tuple(float(number) for number in np.frombuffer(raw, f"<f{width}"))
