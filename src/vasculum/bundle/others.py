"""Landmarks, meshes, tables, transforms and documents of a bundle, and the bytes that are kept as they came."""

from __future__ import annotations

import json
import mimetypes
import re
from functools import partial
from pathlib import Path, PurePosixPath

from vasculum.errors import Unreadable, Unsupported
from vasculum.model.kinds import Kind

from .layout import SCENE_SUFFIXES, safe_name
from .report import Item
from .stage import Stage, folder_of, title_of

MARKUPS_LIMIT = 64 * 1024 * 1024
"""Bytes of a markups file that is looked into."""

MODEL_SUFFIXES = frozenset({".stl", ".ply", ".obj", ".vtk", ".vtp", ".vtu"})
"""Mesh files that Slicer reads."""

LONGEST_LINE = 1024 * 1024
"""Bytes of a line of a mesh that are looked at."""

_BARE_VERTEX = re.compile(rb"\s*f\s.*//(?:\s|$)")

TRANSFORM_SUFFIXES = frozenset({".h5", ".tfm", ".mat", ".txt"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})

_MEDIA_TYPES = {
    ".mrk.json": "application/json",
    ".nrrd": "application/x-nrrd",
    ".stl": "model/stl",
    ".obj": "model/obj",
    ".ply": "application/x-ply",
    ".vtk": "application/x-vtk",
    ".vtp": "application/x-vtk",
    ".h5": "application/x-hdf5",
    ".dcm": "application/dicom",
    ".nii": "application/x-nifti",
    ".gz": "application/gzip",
    ".mrml": "application/xml",
    ".mrb": "application/zip",
    ".tsv": "text/tab-separated-values",
}
_MARKUP_TAGS = {
    "Fiducial": "MarkupsFiducial",
    "Line": "MarkupsLine",
    "Angle": "MarkupsAngle",
    "Curve": "MarkupsCurve",
    "ClosedCurve": "MarkupsClosedCurve",
    "Plane": "MarkupsPlane",
    "ROI": "MarkupsROI",
}


def media_type(name: str) -> str:
    """Guess the media type of a member by its name."""
    lower = name.lower()
    known = next((kind for suffix, kind in _MEDIA_TYPES.items() if lower.endswith(suffix)), "")
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"


def add_landmarks(stage: Stage, item: Item) -> None:
    """Pack landmarks: the original where it is one Slicer markup, else a markup made of their positions."""
    from vasculum.formats import markups

    name = stage.names.data(title_of(item), ".mrk.json")
    tag = _markup_tag(item)
    if tag:
        stage.add_original(item, _first(item), name, "landmarks (Slicer markup)", "application/json")
    else:
        if not item.series.landmarks:
            raise Unsupported("it has no landmarks that can be read")
        markups.write_json(stage.path_of(name), item.series.landmarks, title_of(item))
        stage.add_made(item, name, f"landmarks from {item.description.format}", "application/json")
    stage.add_object(item, tag or "MarkupsFiducial", name)


def _markup_tag(item: Item) -> str:
    """Give the node of a file with exactly one Slicer markup; empty where it has to be written anew."""
    if item.description.format != "markups-json":
        return ""
    path = item.locate(_first(item))
    if path.stat().st_size > MARKUPS_LIMIT:
        raise Unreadable("the markups file is larger than its limit")
    try:
        listed = json.loads(path.read_bytes())["markups"]
        return _MARKUP_TAGS.get(listed[0].get("type", "")) or "" if len(listed) == 1 else ""
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ""


def add_mesh(stage: Stage, item: Item) -> None:
    """Pack a mesh as it came; coordinates stay in the system they are in, which the scene names."""
    name = _add_as_it_came(stage, item, "surface mesh")
    if _suffix(item) == ".obj" and _faces_without_normals(item.locate(_first(item))):
        text = "Slicer reads no OBJ with faces like 1//: it is in the file, but not in the scene"
        stage.leave_out(item.series, text)
    elif _suffix(item) in MODEL_SUFFIXES:
        stage.add_object(item, "Model", name, coordinate_system=_coordinate_system(item))
    else:
        stage.leave_out(
            item.series, f"Slicer reads no {_suffix(item)} files: it is in the file, but not in the scene"
        )


def _faces_without_normals(path: Path) -> bool:
    """Tell whether a face names a vertex as ``1//``, at which VTK stops, and with it the whole scene."""
    with path.open("rb") as stream:
        return any(_BARE_VERTEX.match(line) for line in iter(partial(stream.readline, LONGEST_LINE), b""))


def _coordinate_system(item: Item) -> str:
    """What the file says; else LPS, which Slicer takes for models since 4.11 and DICOM always."""
    said = item.description.attributes.get("mesh.space", ())
    return "RAS" if said and str(said[0]) == "RAS" else "LPS"


def add_table(stage: Stage, item: Item) -> None:
    """Pack a table as it came; of a workbook also its first sheet as CSV, which is what Slicer shows."""
    from vasculum.formats import table

    name = _add_as_it_came(stage, item, "table")
    if _suffix(item) not in TABLE_SUFFIXES:
        rows = table.read_rows(item.locate(_first(item)))
        name = stage.names.data(title_of(item), ".csv")
        table.write_rows(stage.path_of(name), rows)
        stage.add_made(item, name, "first sheet of the workbook as CSV", "text/csv")
    stage.add_object(item, "Table", name)


def add_transform(stage: Stage, item: Item) -> None:
    """Pack a transform as it came."""
    name = _add_as_it_came(stage, item, "spatial transform")
    if _suffix(item) in TRANSFORM_SUFFIXES:
        stage.add_object(item, "Transform", name)
    else:
        stage.leave_out(
            item.series, f"Slicer reads no {_suffix(item)} transforms: it is in the file, but not in the scene"
        )


def add_document(stage: Stage, item: Item) -> None:
    """Pack a document as it came. It gets no node: Slicer has none for it."""
    _add_as_it_came(stage, item, "document")


def add_originals(stage: Stage, item: Item, what: str) -> None:
    """Keep all files of a series under ``original/``, bit for bit.

    Raises
    ------
    NotFound, OSError
        The bytes are not there.
    """
    folder = folder_of(item)
    listed = {(entry.series, entry.path) for entry in stage.entries}
    for part in item.description.parts:
        if (item.series.id, item.locate(part.name)) not in listed:
            name = stage.names.original(folder, part.name)
            stage.add_original(item, part.name, name, what, media_type(part.name))


def _add_as_it_came(stage: Stage, item: Item, what: str) -> str:
    """Add the first file under its label and its suffix, and the files that go with it under their own names."""
    first, *others = item.description.parts
    suffix = _suffix(item)
    label = title_of(item)
    stem = label[: -len(suffix)] if suffix and label.lower().endswith(suffix) else label
    if suffix in SCENE_SUFFIXES:
        suffix += ".txt"
    name = stage.names.data(stem, suffix)
    stage.add_original(item, first.name, name, what, media_type(first.name))
    for part in others:
        side = stage.names.data(PurePosixPath(part.name).stem, PurePosixPath(part.name).suffix)
        stage.add_original(item, part.name, side, f"{part.role} of {PurePosixPath(name).name}", media_type(part.name))
    return name


def _first(item: Item) -> str:
    return item.description.parts[0].name


def _suffix(item: Item) -> str:
    name = PurePosixPath(_first(item).replace("\\", "/"))
    return f".{safe_name(name.suffix[1:]).lower()}" if name.suffix else ""


PACKERS = {
    Kind.LANDMARKS: add_landmarks,
    Kind.MESH: add_mesh,
    Kind.TABLE: add_table,
    Kind.TRANSFORM: add_transform,
    Kind.DOCUMENT: add_document,
}
"""How the kinds without voxels are packed; others are kept as original bytes."""
