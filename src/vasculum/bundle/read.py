"""Reading a bundle, or any MRB, without a repository: arrays are memory maps into the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from vasculum.errors import NotFound, Unreadable, VasculumError

from .container import ContainerReader, Member
from .inspection import InspectedMember, Inspection, inspect
from .marks import MARK_PREFIX
from .mirror import Mirror, inside
from .parts import (
    BundleLandmarks,
    BundleMesh,
    BundlePart,
    BundleSegmentation,
    BundleTable,
    BundleVolume,
    html_table,
)
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

_Part = TypeVar("_Part", bound=BundlePart)


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
        return html_table(self.path.name, iter(rows), first.picture() if first else None)

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
