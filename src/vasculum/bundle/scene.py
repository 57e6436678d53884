"""The scene of a bundle: MRML as plain XML that every Slicer since 5.0 loads.

What the reader needs is in Slicer's ``vtkMRMLScene`` and ``vtkMRMLNode::ReadXMLAttributes``: per object a storage node
with a relative ``fileName``, and the object with ``references="storage:ID;"``. Volumes use ``NRRDStorage``, not Slicer's
default ``VolumeArchetypeStorage``: only so do our marks come back from a Slicer save.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET  # nosec: only written with, never parsed with

from .marks import MARK_PREFIX


@dataclass(frozen=True, slots=True)
class NodeClass:
    """How a kind of object is written in MRML."""

    node: str
    """VTK class of the node."""
    storage: str
    """Tag of the storage node; its class is ``vtkMRML<tag>Node``."""
    display: str = ""
    """Tag of the display node, or empty."""
    plugin: str = ""
    """Subject hierarchy plugin that owns the item."""


_MARKUPS = "MarkupsJsonStorage"

NODE_CLASSES: Mapping[str, NodeClass] = {
    "Volume": NodeClass("vtkMRMLScalarVolumeNode", "NRRDStorage", "VolumeDisplay", "Volumes"),
    "VectorVolume": NodeClass("vtkMRMLVectorVolumeNode", "NRRDStorage", "VectorVolumeDisplay", "Volumes"),
    "Sequence": NodeClass("vtkMRMLSequenceNode", "VolumeSequenceStorage"),
    "Segmentation": NodeClass(
        "vtkMRMLSegmentationNode", "SegmentationStorage", "SegmentationDisplay", "Segmentations"
    ),
    "MarkupsFiducial": NodeClass("vtkMRMLMarkupsFiducialNode", _MARKUPS, "MarkupsFiducialDisplay", "Markups"),
    "MarkupsLine": NodeClass("vtkMRMLMarkupsLineNode", _MARKUPS, "MarkupsDisplay", "Markups"),
    "MarkupsAngle": NodeClass("vtkMRMLMarkupsAngleNode", _MARKUPS, "MarkupsDisplay", "Markups"),
    "MarkupsCurve": NodeClass("vtkMRMLMarkupsCurveNode", _MARKUPS, "MarkupsDisplay", "Markups"),
    "MarkupsClosedCurve": NodeClass("vtkMRMLMarkupsClosedCurveNode", _MARKUPS, "MarkupsDisplay", "Markups"),
    "MarkupsPlane": NodeClass("vtkMRMLMarkupsPlaneNode", _MARKUPS, "MarkupsPlaneDisplay", "Markups"),
    "MarkupsROI": NodeClass("vtkMRMLMarkupsROINode", _MARKUPS, "MarkupsROIDisplay", "Markups"),
    "Model": NodeClass("vtkMRMLModelNode", "ModelStorage", "ModelDisplay", "Models"),
    "Table": NodeClass("vtkMRMLTableNode", "TableStorage", "", "Tables"),
    "Text": NodeClass("vtkMRMLTextNode", "TextStorage", "", "Texts"),
    "Transform": NodeClass("vtkMRMLTransformNode", "TransformStorage", "", "Transforms"),
}
"""By the tag of the node."""

_DISPLAY_CLASSES = {"VolumeDisplay": "vtkMRMLScalarVolumeDisplayNode"}
"""Where the class is not called as the tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneObject:
    """An object of the scene with its file."""

    tag: str
    """A key of `NODE_CLASSES`."""
    name: str
    file: str
    """Member name relative to the folder of the scene, such as ``Data/CT.nhdr``."""
    series: str = ""
    """Id of the series; what `reference` of others points to."""
    study: str = ""
    """Id of the study it hangs under; empty: under the subject."""
    uids: Mapping[str, str] = field(default_factory=dict)
    """Subject hierarchy UIDs: ``DICOM`` (series), ``DICOMInstance``."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Our marks without their prefix; they become attributes of the node and of its hierarchy item."""
    reference: str = ""
    """Id of the series whose grid a segmentation was drawn on."""
    window: tuple[float, float] | None = None
    """Level (centre) and width of the grey scale, in values."""
    coordinate_system: str = ""
    """``LPS`` or ``RAS``: of the coordinates in a model file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A subject or a study in the subject hierarchy."""

    id: str
    name: str
    uid: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def write_scene(objects: Sequence[SceneObject], *, subject: Branch, studies: Sequence[Branch]) -> bytes:
    """Give the scene as UTF-8 XML.

    Parameters
    ----------
    objects
        In the order in which they are to be listed.
    subject, studies
        The levels above; every `SceneObject.study` is the id of one of the studies, or empty.
    """
    root = ET.Element("MRML", {"version": "Slicer 5.6.2 32448", "userTags": ""})
    counter: Counter[str] = Counter()
    ids = [_numbered(NODE_CLASSES[o.tag].node, counter) for o in objects]
    by_series = {o.series: i for o, i in zip(objects, ids, strict=True) if o.series}
    _add_hierarchy(root, objects, ids, subject, studies)
    for one, node_id in zip(objects, ids, strict=True):
        _add_object(root, one, node_id, by_series, counter)
    shown = next((i for o, i in zip(objects, ids, strict=True) if o.tag in {"Volume", "VectorVolume"}), "")
    if shown:
        _add_views(root, shown)
    ET.indent(root, " ")
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _numbered(node_class: str, counter: Counter[str]) -> str:
    counter[node_class] += 1
    return f"{node_class}{counter[node_class]}"


def _add(parent: ET.Element, tag: str, attributes: Mapping[str, str]) -> ET.Element:
    return ET.SubElement(parent, tag, {name: xml_text(value) for name, value in attributes.items()})


def _add_object(
    root: ET.Element, one: SceneObject, node_id: str, by_series: Mapping[str, str], counter: Counter[str]
) -> None:
    kind = NODE_CLASSES[one.tag]
    storage_id = _numbered(f"vtkMRML{kind.storage}Node", counter)
    storage = {"id": storage_id, "name": kind.storage, "fileName": escape_file_name(one.file)}
    if kind.storage == "NRRDStorage":
        storage |= {"defaultWriteFileExtension": "nrrd", "useCompression": "1"}
    if one.coordinate_system:
        storage["coordinateSystem"] = one.coordinate_system
    _add(root, kind.storage, storage)
    references = f"storage:{storage_id};"
    if kind.display:
        display_id = _numbered(_DISPLAY_CLASSES.get(kind.display, f"vtkMRML{kind.display}Node"), counter)
        _add(root, kind.display, {"id": display_id, "name": kind.display} | _display(one))
        references = f"display:{display_id};{references}"
    if one.reference in by_series:
        references += f"referenceImageGeometryRef:{by_series[one.reference]};"
    node = {"id": node_id, "name": one.name, "references": references}
    if one.marks:
        node["attributes"] = ";".join(
            f"{MARK_PREFIX}{escape_attribute(key)}:{escape_attribute(value)}" for key, value in one.marks.items()
        )
    if one.tag == "Text":
        node |= {"encoding": "1", "forceCreateStorageNode": "1"}
    _add(root, one.tag, node)


def _display(one: SceneObject) -> dict[str, str]:
    if one.tag != "Volume":
        return {}
    grey = {"interpolate": "1", "references": "color:vtkMRMLColorTableNodeGrey;"}
    if one.window is None:
        return grey | {"autoWindowLevel": "1"}
    level, width = one.window
    return grey | {"window": f"{width:.10g}", "level": f"{level:.10g}", "autoWindowLevel": "0"}


def _add_views(root: ET.Element, volume_id: str) -> None:
    """Show the first volume in the three slice views, as after loading it by hand."""
    for view in ("Red", "Green", "Yellow"):
        composite = {
            "id": f"vtkMRMLSliceCompositeNode{view}",
            "name": "SliceComposite",
            "hideFromEditors": "true",
            "singletonTag": view,
            "layoutName": view,
            "references": f"backgroundVolume:{volume_id};",
        }
        _add(root, "SliceComposite", composite)


def _add_hierarchy(
    root: ET.Element, objects: Sequence[SceneObject], ids: Sequence[str], subject: Branch, studies: Sequence[Branch]
) -> None:
    tree = {
        "id": "vtkMRMLSubjectHierarchyNode1",
        "name": "SubjectHierarchy",
        "attributes": "SubjectHierarchyVersion:2",  # without it the items are ignored
    }
    hierarchy = _add(root, "SubjectHierarchy", tree)
    numbers = itertools.count(3)  # 1 and 2 are Slicer's own
    scene = _add_item(hierarchy, next(numbers), {"name": "Scene", "type": "", "attributes": "Level^Scene|"})
    patient = _add_branch(scene, next(numbers), subject, "Patient")
    parents = {study.id: _add_branch(patient, next(numbers), study, "Study") for study in studies}
    for one, node_id in zip(objects, ids, strict=True):
        marks = {f"{MARK_PREFIX}{key}": value for key, value in one.marks.items()}
        item = {"dataNode": node_id, "type": NODE_CLASSES[one.tag].plugin}
        item |= {"uids": escape_pairs(one.uids), "attributes": escape_pairs(marks)}
        _add_item(parents.get(one.study, patient), next(numbers), item)


def _add_branch(parent: ET.Element, number: int, branch: Branch, level: str) -> ET.Element:
    attributes = escape_pairs({"Level": level, **branch.attributes})
    uids = escape_pairs({"DICOM": branch.uid}) if branch.uid else ""
    return _add_item(parent, number, {"name": branch.name, "type": "Folder", "uids": uids, "attributes": attributes})


def _add_item(parent: ET.Element, number: int, attributes: Mapping[str, str]) -> ET.Element:
    above = parent.get("id", "0") if parent.tag == "SubjectHierarchyItem" else "0"
    place = {"id": str(number), "parent": above, "expanded": "true"}
    return _add(parent, "SubjectHierarchyItem", place | dict(attributes))


_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def xml_text(value: str) -> str:
    """Replace what XML 1.0 cannot hold (control characters, lone surrogates) by U+FFFD."""
    return _NOT_XML.sub("\ufffd", value)


def escape_attribute(value: str) -> str:
    """Escape a key or value of a node's ``attributes`` (Slicer splits at ``;`` and decodes ``%XX``)."""
    return value.replace("%", "%25").replace(";", "%3B")


def escape_file_name(name: str) -> str:
    """Escape a ``fileName``, which Slicer decodes like a URL: a ``%`` in the name becomes ``%25``."""
    return name.replace("%", "%25")


def escape_pairs(pairs: Mapping[str, str]) -> str:
    """Join pairs as the subject hierarchy does: ``key^value|``. It has no escapes, so ours are those of URLs."""
    return "".join(f"{_escape_pair(key)}^{_escape_pair(value)}|" for key, value in pairs.items())


def _escape_pair(text: str) -> str:
    return text.replace("%", "%25").replace("^", "%5E").replace("|", "%7C")
