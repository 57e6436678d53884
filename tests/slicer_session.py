"""What 3D Slicer's own MRML core makes of a scene: the oracle of the bundle tests.

One session per process (Slicer's scene cannot be torn down cleanly, and a missing file aborts it):
``python slicer_session.py FILE.mrb FOLDER [RESAVE.mrb]`` leaves ``scene.json`` and ``*.npy`` in FOLDER. Paths must be absolute.
Tests call `load`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOGICS = (
    "vtkSlicerVolumesLogic",
    "vtkSlicerTerminologiesModuleLogic",
    "vtkSlicerSegmentationsModuleLogic",
    "vtkSlicerSubjectHierarchyModuleLogic",
    "vtkSlicerMarkupsLogic",
    "vtkSlicerModelsLogic",
    "vtkSlicerTablesLogic",
    "vtkSlicerTextsLogic",
    "vtkSlicerTransformLogic",
    "vtkSlicerSequencesLogic",
)
"""Each registers the node classes of its module."""


def load(path: Path, folder: Path, resave: Path | None = None) -> dict[str, Any]:
    """Open a scene in a Slicer session of its own and give what it holds.

    Volumes and segments have their array under ``array``: shape (k, j, i), with ``ijk_to_ras``; control points have
    their ``position`` in RAS millimetres.
    """
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, str(path.resolve()), str(folder.resolve())]
    done = subprocess.run(
        command + ([str(resave.resolve())] if resave else []),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    result = folder / "scene.json"
    if done.returncode or not result.exists():
        raise AssertionError(f"Slicer ended with {done.returncode}: {done.stderr[-3000:]}")
    scene: dict[str, Any] = json.loads(result.read_text("utf-8"))
    scene["log"] = done.stderr
    for one in [*scene["volumes"], *(s for g in scene["segmentations"] for s in g["segments"])]:
        one["array"] = np.load(folder / one["file"])
    return scene


class Session:
    """A scene with all node classes registered and a cache, as the application sets it up."""

    def __init__(self, cache: Path) -> None:
        import slicer
        import vtkmodules.all as vtk

        window = vtk.vtkOutputWindow()
        window.SetDisplayModeToAlwaysStdErr()
        vtk.vtkOutputWindow.SetInstance(window)
        self.scene = slicer.vtkMRMLScene()
        self.cache = slicer.vtkCacheManager()
        self.cache.SetRemoteCacheDirectory(str(cache))
        self.cache.SetMRMLScene(self.scene)
        self.io = slicer.vtkDataIOManager()
        self.io.SetCacheManager(self.cache)
        self.scene.SetDataIOManager(self.io)
        self.scene.SetCacheManager(self.cache)
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        self.logics = [self._logic(getattr(slicer, name)) for name in LOGICS]

    def _logic(self, kind: Any) -> Any:
        logic = kind()
        if hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory("none")
        logic.SetMRMLScene(self.scene)
        return logic

    def read(self, path: str) -> tuple[bool, str]:
        """Read an MRB or a plain scene."""
        import slicer

        messages = slicer.vtkMRMLMessageCollection()
        if path.endswith(".mrml"):
            self.scene.SetURL(path)
            good = self.scene.Connect(messages)
        else:
            good = self.scene.ReadFromMRB(path, True, messages)
        return bool(good), messages.GetAllMessagesAsString()

    def nodes(self, kind: str) -> list[Any]:
        """All nodes of a class, in scene order."""
        return [self.scene.GetNthNodeByClass(n, kind) for n in range(self.scene.GetNumberOfNodesByClass(kind))]


def describe(session: Session, folder: Path) -> dict[str, Any]:
    """Everything in the scene that a test compares."""
    return {
        "volumes": [_volume(v, folder, f"v{n}.npy") for n, v in enumerate(session.nodes("vtkMRMLVolumeNode"))],
        "segmentations": [
            _segmentation(s, folder, n) for n, s in enumerate(session.nodes("vtkMRMLSegmentationNode"))
        ],
        "markups": [_markup(m) for m in session.nodes("vtkMRMLMarkupsNode")],
        "models": [_model(m) for m in session.nodes("vtkMRMLModelNode")],
        "tables": [_table(t) for t in session.nodes("vtkMRMLTableNode")],
        "texts": [{**_named(t), "text": t.GetText()} for t in session.nodes("vtkMRMLTextNode")],
        "transforms": [_transform(t) for t in session.nodes("vtkMRMLTransformNode")],
        "sequences": [{**_named(s), "items": s.GetNumberOfDataNodes()} for s in session.nodes("vtkMRMLSequenceNode")],
        "composites": [c.GetBackgroundVolumeID() for c in session.nodes("vtkMRMLSliceCompositeNode")],
        "hierarchy": _hierarchy(session.scene),
    }


def _named(node: Any) -> dict[str, Any]:
    storage = node.GetStorageNode() if hasattr(node, "GetStorageNode") else None
    return {
        "name": node.GetName(),
        "class": node.GetClassName(),
        "id": node.GetID(),
        "attributes": {key: node.GetAttribute(key) for key in node.GetAttributeNames()},
        "storage": storage.GetClassName() if storage else "",
        "storage_file": storage.GetFileName() if storage else "",
    }


def _matrix(node: Any) -> list[list[float]]:
    import vtkmodules.all as vtk

    matrix = vtk.vtkMatrix4x4()
    (node.GetIJKToRASMatrix if hasattr(node, "GetIJKToRASMatrix") else node.GetImageToWorldMatrix)(matrix)
    return [[matrix.GetElement(r, c) for c in range(4)] for r in range(4)]


def _array(image: Any) -> Any:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    i, j, k = image.GetDimensions()
    components = image.GetNumberOfScalarComponents()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(
        (k, j, i, *((components,) if components > 1 else ()))
    )


def _volume(node: Any, folder: Path, file: str) -> dict[str, Any]:
    import numpy as np

    image = node.GetImageData()
    np.save(folder / file, _array(image) if image else np.empty((0, 0, 0)))
    display = node.GetDisplayNode()
    grey = display is not None and hasattr(display, "GetWindow")
    return {
        **_named(node),
        "file": file,
        "ijk_to_ras": _matrix(node),
        "window": [display.GetLevel(), display.GetWindow()] if grey else None,
    }


def _segmentation(node: Any, folder: Path, number: int) -> dict[str, Any]:
    import numpy as np
    import slicer

    segmentation = node.GetSegmentation()
    segments = []
    for n in range(segmentation.GetNumberOfSegments()):
        segment_id = segmentation.GetNthSegmentID(n)
        segment = segmentation.GetSegment(segment_id)
        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segment_id, image)
        file = f"s{number}_{n}.npy"
        extent = image.GetExtent()
        empty = extent[0] > extent[1]
        np.save(folder / file, np.empty((0, 0, 0)) if empty else _array(image) != 0)
        segments.append(
            {
                "id": segment_id,
                "name": segment.GetName(),
                "color": list(segment.GetColor()),
                "tags": str(segment),
                "file": file,
                "extent": list(extent),
                "ijk_to_ras": _matrix(image),
            }
        )
    reference = node.GetNodeReferenceID("referenceImageGeometryRef")
    return {**_named(node), "segments": segments, "reference": reference}


def _markup(node: Any) -> dict[str, Any]:
    points = []
    for n in range(node.GetNumberOfControlPoints()):
        position = [0.0, 0.0, 0.0]
        node.GetNthControlPointPosition(n, position)
        points.append(
            {
                "label": node.GetNthControlPointLabel(n),
                "id": node.GetNthControlPointID(n),
                "description": node.GetNthControlPointDescription(n),
                "position": position,
                "defined": node.GetNthControlPointPositionStatus(n) == 2,
            }
        )
    return {**_named(node), "points": points}


def _model(node: Any) -> dict[str, Any]:
    mesh = node.GetMesh()
    return (
        {**_named(node), "points": mesh.GetNumberOfPoints(), "bounds": list(mesh.GetBounds())}
        if mesh
        else _named(node)
    )


def _table(node: Any) -> dict[str, Any]:
    columns = [node.GetColumnName(c) for c in range(node.GetNumberOfColumns())]
    cells = [[node.GetCellText(r, c) for c in range(len(columns))] for r in range(node.GetNumberOfRows())]
    return {**_named(node), "columns": columns, "cells": cells}


def _transform(node: Any) -> dict[str, Any]:
    import vtkmodules.all as vtk

    matrix = vtk.vtkMatrix4x4()
    linear = bool(node.IsLinear())
    if linear:
        node.GetMatrixTransformToParent(matrix)
    return {
        **_named(node),
        "linear": linear,
        "matrix": [[matrix.GetElement(r, c) for c in range(4)] for r in range(4)],
    }


def _hierarchy(scene: Any) -> list[dict[str, Any]]:
    import slicer
    import vtkmodules.all as vtk

    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    ids = vtk.vtkIdList()
    tree.GetItemChildren(tree.GetSceneItemID(), ids, True)
    items = []
    for n in range(ids.GetNumberOfIds()):
        item = ids.GetId(n)
        node = tree.GetItemDataNode(item)
        items.append(
            {
                "name": tree.GetItemName(item),
                "level": tree.GetItemLevel(item),
                "uid": tree.GetItemUID(item, "DICOM"),
                "parent": tree.GetItemName(tree.GetItemParent(item)),
                "node": node.GetID() if node else "",
                "attributes": {key: tree.GetItemAttribute(item, key) for key in tree.GetItemAttributeNames(item)},
            }
        )
    return items


def main() -> None:
    """Read, describe, and save again where asked."""
    path, folder = sys.argv[1], Path(sys.argv[2])
    session = Session(folder)
    good, messages = session.read(path)
    scene = {"good": good, "messages": messages, **describe(session, folder)}
    if len(sys.argv) > 3:
        import slicer

        told = slicer.vtkMRMLMessageCollection()
        scene["saved"] = bool(session.scene.WriteToMRB(sys.argv[3], None, told))
    (folder / "scene.json").write_text(json.dumps(scene), "utf-8")


if __name__ == "__main__":
    main()
