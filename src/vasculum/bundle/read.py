"""Reading a bundle, or any MRB, without a repository: arrays are memory maps into the file."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import NotFound, Unreadable, VasculumError
from vasculum.formats.base import Locate
from vasculum.model.description import Description, Landmark, Segment
from vasculum.model.geometry import Geometry

from .container import ContainerReader, Member
from .inspection import InspectedMember, Inspection, inspect
from .marks import MARK_PREFIX
from .mirror import Mirror, inside
from .record import RECORD_VERSION

__all__ = [
    "Bundle",
    "BundleLandmarks",
    "BundleMesh",
    "BundleSegmentation",
    "BundleTable",
    "BundleVolume",
    "InspectedMember",
    "Inspection",
    "inspect",
    "open_bundle",
]

SCENE_LIMIT = 256 * 1024 * 1024
"""Bytes of a scene or record at the most."""

VOLUME_TAGS = frozenset(
    {
        "Volume",
        "VectorVolume",
        "LabelMapVolume",
        "DiffusionWeightedVolume",
        "DiffusionTensorVolume",
        "StreamingVolume",
    }
    | {"MultiVolume", "Sequence"}
)

_Part = TypeVar("_Part", bound="BundlePart")


class BundlePart:
    """An object of the scene and the member that holds it.

    Parameters
    ----------
    mirror
        Where its member is read.
    name
        Of the node.
    member
        Name inside the container.
    attributes
        Of the node; ours begin with ``vasculum.``.
    """

    def __init__(self, mirror: Mirror, name: str, member: str, attributes: Mapping[str, str]) -> None:
        self._mirror = mirror
        self.name = name
        self.member = member
        self.attributes = attributes

    @cached_property
    def _described(self) -> tuple[Description, Locate]:
        return self._mirror.describe(self.member)

    @property
    def description(self) -> Description:
        """What the member holds."""
        return self._described[0]

    @property
    def series(self) -> str:
        """Id of the series that it was packed from; empty in a scene that is not ours."""
        return self.attributes.get(f"{MARK_PREFIX}series", "")

    @property
    def content(self) -> bytes:
        """The bytes of the member, checked by its CRC."""
        return self._mirror.reader.read(self.member)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "member", self.member

    def _picture(self) -> bytes | None:
        return None

    def _repr_html_(self) -> str:
        """A small table, and a picture where there is one."""
        return html_table(self.name, self._rows(), self._picture())


class BundleVolume(BundlePart):
    """Voxels with their place in space."""

    @cached_property
    def array(self) -> NDArray[Any]:
        """Values, axes as in `axes`; a read-only memory map into the file where the voxels lie there as they are."""
        return self._mirror.read(*self._described)

    @property
    def axes(self) -> str:
        """``kji``, ``tkji``, ``kjic`` or ``tkjic``: time, slice, row, column, component."""
        return self.description.voxels.axes if self.description.voxels else ""

    @property
    def geometry(self) -> Geometry | None:
        """LPS millimetres; None where the file does not say how large a voxel is."""
        return self.description.geometry

    def _rows(self) -> Iterator[tuple[str, str]]:
        voxels, geometry = self.description.voxels, self.geometry
        if voxels:
            yield "shape", f"{' × '.join(map(str, voxels.sizes))} ({voxels.axes})"
            yield "type", np.dtype(voxels.dtype).name
        if geometry:
            yield "voxel", " × ".join(f"{size:.4g}" for size in geometry.spacing) + " mm"
        yield from super()._rows()

    def _picture(self) -> bytes | None:
        from vasculum.formats.picture import mid_slice_png

        try:
            return mid_slice_png(self.array, self.geometry, axes=self.axes)
        except (VasculumError, OSError, ValueError):
            return None


class BundleSegmentation(BundleVolume):
    """A label map with named segments; layers (axis t) where segments overlap."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """In the order of the file."""
        return self.description.segments

    def mask(self, segment: str) -> NDArray[np.bool_]:
        """Give where a segment is.

        Parameters
        ----------
        segment
            Its name, or its id.

        Returns
        -------
        ndarray
            Shape (k, j, i), bool.

        Raises
        ------
        NotFound
            There is no such segment.
        """
        found = [s for s in self.segments if s.name == segment] or [s for s in self.segments if s.id == segment]
        if not found:
            names = ", ".join(repr(s.name) for s in self.segments[:12])
            raise NotFound(f"there is no segment {segment!r} in {self.name!r}", hint=f"there are {names}")
        layer = self.array[found[0].layer] if "t" in self.axes else self.array
        return np.asarray(layer == found[0].label_value)

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "segments", ", ".join(segment.name for segment in self.segments)
        yield from super()._rows()


class BundleLandmarks(BundlePart):
    """Named points."""

    @property
    def landmarks(self) -> tuple[Landmark, ...]:
        """All points, in order."""
        return self.description.landmarks

    @property
    def positions(self) -> NDArray[np.float64]:
        """LPS millimetres, shape (n, 3); NaN for a point that is not placed."""
        rows = [m.position if m.defined else (np.nan, np.nan, np.nan) for m in self.landmarks]
        return np.array(rows, np.float64).reshape(-1, 3)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the points, in order."""
        return tuple(landmark.label for landmark in self.landmarks)

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "points", str(len(self.landmarks))
        yield from super()._rows()


class BundleMesh(BundlePart):
    """A surface."""

    @cached_property
    def surface(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Vertices, shape (n, 3), millimetres as in the file; triangles, shape (m, 3)."""
        from vasculum.formats import mesh

        return mesh.read(self._mirror.path(self.member))


class BundleTable(BundlePart):
    """A table of exact strings."""

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """One mapping a row, by column name."""
        from vasculum.formats import table

        return table.read_rows(self._mirror.path(self.member))

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "rows", str(len(self.rows))
        yield from super()._rows()


class Bundle:
    """An open bundle, or an MRB that Slicer wrote. Use as a context manager, or `close` it.

    Arrays that were given out stay valid after closing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = ContainerReader(path)
        self._mirror = Mirror(self._reader)
        try:
            self._objects = self._scene_objects()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and delete what was unpacked."""
        self._reader.close()
        self._mirror.close()

    @property
    def members(self) -> tuple[Member, ...]:
        """Files inside."""
        return self._reader.members

    @property
    def volumes(self) -> Mapping[str, BundleVolume]:
        """By name; a second one of the same name is called ``name (2)``."""
        return self._of(BundleVolume, exactly=True)

    @property
    def segmentations(self) -> Mapping[str, BundleSegmentation]:
        """By name."""
        return self._of(BundleSegmentation)

    @property
    def landmarks(self) -> Mapping[str, BundleLandmarks]:
        """By name."""
        return self._of(BundleLandmarks)

    @property
    def meshes(self) -> Mapping[str, BundleMesh]:
        """By name."""
        return self._of(BundleMesh)

    @property
    def tables(self) -> Mapping[str, BundleTable]:
        """By name."""
        return self._of(BundleTable)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The whole record (subject, studies, series, activities); empty in an MRB that is not ours."""
        return read_record(self._reader)

    def read(self, member: str) -> bytes:
        """Give the bytes of a member."""
        return self._reader.read(member)

    def __repr__(self) -> str:
        return f"Bundle({self.path.name!r}, {len(self._objects)} objects, {len(self.members)} members)"

    def _repr_html_(self) -> str:
        """A table of what is inside, and a picture of the first volume."""
        subject = self.metadata.get("subject", {})
        rows = [
            (str(k), str(v)) for k, v in {"subject": subject.get("label"), **subject.get("metadata", {})}.items() if v
        ]
        rows += [(type(o).__name__.removeprefix("Bundle").lower(), o.name) for o in self._objects]
        first = next(iter(self.volumes.values()), None)
        return html_table(self.path.name, iter(rows), first._picture() if first else None)

    def _of(self, kind: type[_Part], *, exactly: bool = False) -> dict[str, _Part]:
        found: dict[str, _Part] = {}
        for one in self._objects:
            if type(one) is kind if exactly else isinstance(one, kind):
                name, number = one.name, 1
                while name in found:
                    number += 1
                    name = f"{one.name} ({number})"
                found[name] = one  # type: ignore[assignment]
        return found

    def _scene_objects(self) -> list[BundlePart]:
        from vasculum.formats.mrml import read_scene

        scene = main_scene(self._reader)
        labels = {str(s.get("id")): str(s.get("label", "")) for s in self.metadata.get("series", ())}
        objects = []
        for node in read_scene(self._mirror.path(scene)):
            kind = _kind_of(node.tag)
            if kind is None or not node.files:
                continue
            try:
                member = inside(scene, node.files[0])
            except Unreadable:
                continue  # `check` says so; nothing outside the container is ever read
            label = labels.get(node.attributes.get(f"{MARK_PREFIX}series", ""), "")
            if member in self._reader:
                objects.append(kind(self._mirror, label or node.name or Path(member).stem, member, node.attributes))
        return objects


def _kind_of(tag: str) -> type[BundlePart] | None:
    if tag in VOLUME_TAGS:
        return BundleVolume
    if tag.startswith("Markups") and not tag.endswith(("Display", "Storage")):
        return BundleLandmarks
    return {"Segmentation": BundleSegmentation, "Model": BundleMesh, "Table": BundleTable}.get(tag)


def open_bundle(path: str | Path) -> Bundle:
    """Open a bundle, or an MRB that Slicer wrote.

    Nothing is unpacked but small members that are asked for, into a folder that `Bundle.close` deletes.

    Raises
    ------
    Unreadable
        No zip, no scene, or damaged.
    NotFound
        There is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"there is no file {path.name}")
    return Bundle(path)


def main_scene(reader: ContainerReader) -> str:
    """Give the scene that Slicer opens: the one nearest to the root.

    Raises
    ------
    Unreadable
        There is none.
    """
    scenes = [m.name for m in reader.members if m.name.lower().endswith(".mrml")]
    if not scenes:
        raise Unreadable(f"{reader.path.name} has no scene in it", hint="it is a zip, but no bundle and no MRB")
    return min(scenes, key=lambda name: name.count("/"))


def read_record(reader: ContainerReader) -> dict[str, Any]:
    """Give the record of a bundle; empty where there is none."""
    for member in reader.members:
        if member.name.endswith("/Data/vasculum.json") and member.size <= SCENE_LIMIT:
            try:
                record = json.loads(reader.read(member.name, limit=SCENE_LIMIT))
            except (ValueError, RecursionError, VasculumError):
                continue
            if isinstance(record, dict) and record.get("format") == RECORD_VERSION:
                return record
    return {}


def html_table(title: str, rows: Iterator[tuple[str, str]], picture: bytes | None) -> str:
    """Give rows as an HTML table, everything escaped, with a PNG beside."""
    cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    image = f'<img alt="" src="data:image/png;base64,{base64.b64encode(picture).decode()}">' if picture else ""
    return f"<div><strong>{html.escape(title)}</strong><table>{cells}</table>{image}</div>"
