"""MRML scenes of 3D Slicer 3, 4 and 5: which nodes there are, and which files they name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from vasculum.errors import Unreadable
from vasculum.formats.base import Head
from vasculum.formats.text import decode, looks_like_text, read_bytes
from vasculum.model.description import Description, Finding, Part, Reference, Value
from vasculum.model.kinds import Kind, Severity

NODES_MOST = 200_000
_NAMES_KEPT = 200
_FILE_FIELDS = re.compile(r"fileName|fileListMember\d+")
_OUTSIDE = re.compile(r"^(/|[A-Za-z]:|//)")
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneNode:
    """A node that has files, or that people care about."""

    tag: str
    """Node class as in the scene: ``Volume``, ``Segmentation``, ``MarkupsFiducial``, ``Model`` ..."""
    id: str
    name: str
    files: tuple[str, ...] = ()
    """Targets as in the scene, percent-decoded, with forward slashes; the storage's file first, then its list."""
    attributes: Mapping[str, str]
    """Node attributes (``key:value;key:value`` in the scene), decoded."""


@dataclass(frozen=True, slots=True)
class Scene:
    """``.mrml``."""

    name: str = "mrml"

    def recognises(self, head: Head) -> bool:
        """XML whose root element is MRML."""
        if not looks_like_text(head.start):
            return False
        text = decode(head.start)[0]
        return bool(re.search(r"<MRML[\s/>]", text)) and text.lstrip("\ufeff \t\r\n").startswith("<")

    def describe(self, path: Path) -> Description:
        """Count nodes, keep the names of those with files, and list every file that is named. None is opened."""
        version, nodes, counts = _read(path)
        references = _references(nodes)
        attributes: dict[str, tuple[Value, ...]] = {"mrml.version": (version,)} if version else {}
        attributes |= {f"mrml.nodes.{tag}": (count,) for tag, count in sorted(counts.items())}
        names: dict[str, list[str]] = defaultdict(list)
        for node in nodes:
            if node.name and len(names[node.tag]) < _NAMES_KEPT:
                names[node.tag].append(node.name)
        attributes |= {f"mrml.names.{tag}": tuple(given) for tag, given in sorted(names.items()) if given}
        return Description(
            format=self.name,
            kind=Kind.SCENE,
            parts=(Part(name=path.name),),
            title=path.stem,
            attributes=attributes,
            references=references,
            findings=tuple(_findings(references, path.parent)),
        )


FORMATS = (Scene(),)


def read_scene(path: Path) -> tuple[SceneNode, ...]:
    """Give the nodes that have files (or a name and attributes) in the order of the scene.

    Raises
    ------
    Unreadable
        Not XML, not MRML, or with a document type (entities are never expanded).
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[str, tuple[SceneNode, ...], Counter[str]]:
    root = _parse(read_bytes(path))
    if root.tag != "MRML":
        raise Unreadable("the root element of the scene is not MRML")
    elements = []
    for element in root.iter():
        elements.append(element)
        if len(elements) > NODES_MOST:
            raise Unreadable(f"the scene has more than {NODES_MOST} nodes")
    elements = elements[1:]
    owners = _owners(elements)
    nodes = tuple(node for node in _nodes(elements, owners) if node.files or node.attributes)
    return str(root.get("version", "")), nodes, Counter(str(e.tag) for e in elements)


def _parse(raw: bytes) -> Any:
    """Parse XML without entities. Old Slicers wrote Latin-1 without saying so; that is tried second."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        return fromstring(raw, forbid_dtd=True)
    except DefusedXmlException:
        raise Unreadable("the scene declares a document type or entities, which are not read") from None
    except (ParseError, ValueError, LookupError):
        pass
    try:
        text, _ = decode(raw)
        return fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")).encode(), forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError):
        raise Unreadable("the scene is not well-formed XML") from None


def _owners(elements: list[Any]) -> dict[str, Any]:
    """Map ids of storage nodes to the node that they hold."""
    owners: dict[str, Any] = {}
    for element in elements:
        for storage in _storage_ids(element):
            owners.setdefault(storage, element)
    return owners


def _storage_ids(element: Any) -> Iterator[str]:
    """Slicer 3 and 4.0 name storages in ``storageNodeRef``, later ones in ``references="storage:id id;display:id;"``."""
    yield from str(element.get("storageNodeRef", "")).split()
    for group in str(element.get("references", "")).split(";"):
        role, _, ids = group.partition(":")
        if role.strip() == "storage":
            yield from ids.split()


def _nodes(elements: list[Any], owners: Mapping[str, Any]) -> Iterator[SceneNode]:
    files: dict[int, list[str]] = defaultdict(list)
    for element in elements:
        named = _files(element)
        if named:
            owner = owners.get(str(element.get("id", "")), element)
            files[id(owner)] += [f for f in named if f not in files[id(owner)]]
    for element in elements:
        yield SceneNode(
            tag=str(element.tag),
            id=str(element.get("id", "")),
            name=str(element.get("name", "")),
            files=tuple(files.get(id(element), ())),
            attributes=_node_attributes(str(element.get("attributes", ""))),
        )


def _files(element: Any) -> list[str]:
    named = sorted(
        (key for key in element.keys() if _FILE_FIELDS.fullmatch(key)),  # noqa: SIM118 (an element is no mapping)
        key=lambda key: (key != "fileName", int("0" + re.sub(r"\D", "", key))),
    )
    targets = [unquote(str(element.get(key)), errors="surrogateescape").replace("\\", "/") for key in named]
    return [t for t in dict.fromkeys(targets) if t and t.upper() not in ("NULL", "(NONE)")]


def _node_attributes(text: str) -> dict[str, str]:
    """``key:value;key:value``, with ``;`` and ``%`` percent-encoded."""
    pairs = (item.partition(":") for item in text.split(";") if ":" in item)
    return {unquote(key.strip()): unquote(value) for key, _, value in pairs}


def _references(nodes: tuple[SceneNode, ...]) -> tuple[Reference, ...]:
    seen: dict[str, Reference] = {}
    for node in nodes:
        for target in node.files:
            how = "url" if _REMOTE.match(target) else "absolute-path" if _OUTSIDE.match(target) else "path"
            clean = target.removeprefix("./") if how == "path" else target
            seen.setdefault(clean, Reference(target=clean, how=how, role=node.tag))
    return tuple(seen.values())


def _findings(references: tuple[Reference, ...], folder: Path) -> Iterator[Finding]:
    inside = [r.target for r in references if r.how == "path" and not _climbs(r.target)]
    missing = sum(not _present(folder, target) for target in inside)
    if missing:
        yield Finding(
            code="missing-members", text=f"{missing} of {len(inside)} files that the scene names are not there"
        )
    climbing = sum(r.how == "path" and _climbs(r.target) for r in references)
    if climbing:
        text = f"{climbing} files that the scene names lie outside its folder"
        yield Finding(code="climbing-reference", text=text, severity=Severity.NOTE)
    absolute = sum(r.how == "absolute-path" for r in references)
    if absolute:
        text = f"{absolute} files are named by an absolute path of another computer; they are not followed"
        yield Finding(code="absolute-reference", text=text)
    remote = sum(r.how == "url" for r in references)
    if remote:
        text = f"{remote} files are named by a web address; they are not fetched"
        yield Finding(code="remote-reference", text=text, severity=Severity.NOTE)


def _climbs(target: str) -> bool:
    """True where the path leaves the folder at any point."""
    depth = 0
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _present(folder: Path, target: str) -> bool:
    try:
        return (folder / target).is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False
