"""Surface meshes: STL, PLY, OBJ, OFF, legacy VTK, VTP and GIFTI.

Describing counts vertices and faces without keeping them. Coordinates are given as stored: `mesh.space` says whether they
are RAS or LPS where the file does (Slicer writes ``SPACE=LPS`` into a comment), and a finding says so where it does not.
"""

from __future__ import annotations

import io
import logging
import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vasculum.errors import Unreadable
from vasculum.formats import gifti, polydata, vtp
from vasculum.formats.base import Head
from vasculum.formats.surface import Summary, Surface, bounds_of, space_in
from vasculum.formats.text import decode, looks_like_text, read_bytes
from vasculum.model.description import Description, Finding, Part, Reference, Value
from vasculum.model.kinds import Kind, Severity

READ_BYTES = 1024 * 1024 * 1024
"""Largest file that `read` takes into memory."""

_HEADER_BYTES = 64 * 1024

# trimesh logs what it skips on purpose (textures), with a traceback.
logging.getLogger("trimesh").addHandler(logging.NullHandler())

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("vertices", "<f4", (3, 3)), ("attribute", "<u2")])
_TRIANGLES_AT_ONCE = 100_000
_PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


@dataclass(frozen=True, slots=True)
class Mesh:
    """One mesh format: how it is known, counted and read."""

    name: str
    known: Callable[[Head], bool]
    summary: Callable[[Path], Summary]
    surface: Callable[[Path], Surface]

    def recognises(self, head: Head) -> bool:
        """By signature; STL and OBJ, which have none, by structure and name."""
        return self.known(head)

    def describe(self, path: Path) -> Description:
        """Count vertices and faces."""
        found = self.summary(path)
        attributes: dict[str, tuple[Value, ...]] = {
            "mesh.vertices": (found.vertices,),
            "mesh.faces": (found.faces,),
            **found.attributes,
        }
        if found.space:
            attributes["mesh.space"] = (found.space,)
        if found.bounds:
            attributes["mesh.bounds"] = found.bounds
        parts, references, missing = _sidecars(path, found.sidecars)
        return Description(
            format=self.name,
            kind=Kind.MESH,
            parts=(Part(name=path.name), *parts),
            title=re.sub(r"\.(surf\.)?(gii(\.gz)?|\w+)$", "", path.name, flags=re.IGNORECASE) or path.name,
            attributes=attributes,
            references=references,
            findings=tuple(_findings(found, missing)),
        )


def read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read a mesh of any format of ours.

    Returns
    -------
    vertices, faces
        (n, 3) coordinates as stored, in the order of the file (STL: three a face); (m, 3) vertex numbers. Polygons are
        cut into triangles from their first corner.

    Raises
    ------
    Unreadable
        No mesh, damaged, or too large.
    Unsupported
        A variant that is not read.
    """
    size = path.stat().st_size
    if size > READ_BYTES:
        raise Unreadable(f"the mesh is larger than {READ_BYTES // 2**20} MiB")
    with path.open("rb") as stream:
        head = Head(path, size, stream.read(16384))
    for candidate in FORMATS:
        if candidate.recognises(head):
            vertices, faces = candidate.surface(path)
            if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
                raise Unreadable("a face of the mesh names a vertex that does not exist")
            return vertices, faces
    raise Unreadable("the file is no mesh of a known format")


def _findings(found: Summary, missing: int) -> Iterator[Finding]:
    if not found.space:
        text = "the mesh does not say whether its coordinates are RAS or LPS"
        yield Finding(code="space-unknown", text=text, severity=Severity.NOTE)
    if found.vertices == 0:
        yield Finding(code="empty-mesh", text="the mesh has no vertices")
    if missing:
        yield Finding(code="missing-sidecar", text=f"{missing} material files that the mesh names are not there")


def _sidecars(path: Path, names: tuple[str, ...]) -> tuple[tuple[Part, ...], tuple[Reference, ...], int]:
    """Material files in the folder of the mesh are parts; others are only references."""
    parts, references = [], []
    for name in dict.fromkeys(n.replace("\\", "/").removeprefix("./") for n in names):
        references.append(Reference(target=name, how="path", role="material"))
        if "/" not in name and ":" not in name and name not in ("", ".", "..") and (path.parent / name).is_file():
            parts.append(Part(name=name, role="sidecar"))
    return tuple(parts), tuple(references), len(references) - len(parts)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    if path.stat().st_size == 0:
        raise Unreadable("the file is empty")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _count(content: mmap.mmap, pattern: bytes) -> int:
    return sum(1 for _ in re.finditer(pattern, content))


def _stl_known(head: Head) -> bool:
    if _stl_triangles(head.start, head.size):
        return True
    start = head.start.lstrip().lower()
    if start.startswith(b"solid") and (b"facet" in start or b"endsolid" in start) and looks_like_text(head.start):
        return True
    return head.suffixes.endswith(".stl") and head.size >= 84


def _stl_triangles(start: bytes, size: int) -> int:
    """Give the number of triangles where the size of the file is that of a binary STL; 0 if not."""
    count = int.from_bytes(start[80:84], "little") if len(start) >= 84 else 0
    return count if count and size == 84 + 50 * count else 0


def _stl_is_binary(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(1024)
    size = path.stat().st_size
    if _stl_triangles(start, size):
        return True
    if start.lstrip().lower().startswith(b"solid") and looks_like_text(start):
        return False
    if size < 84 + 50 * int.from_bytes(start[80:84], "little"):
        raise Unreadable("the STL ends before its last triangle")
    return True


def _stl_summary(path: Path) -> Summary:
    with path.open("rb") as stream:
        start = stream.read(1024)
    if not _stl_is_binary(path):
        with _mapped(path) as content:
            faces, solids = _count(content, rb"(?i)\bendfacet\b"), _count(content, rb"(?im)^[ \t]*solid\b")
        return Summary(3 * faces, faces, space_in(start), attributes={"mesh.solids": (solids,)})
    triangles = _stl_map(path)
    chunks = (triangles[n : n + _TRIANGLES_AT_ONCE]["vertices"] for n in range(0, len(triangles), _TRIANGLES_AT_ONCE))
    return Summary(3 * len(triangles), len(triangles), space_in(start[:80]), bounds_of(chunks))


def _stl_map(path: Path) -> NDArray[np.void]:
    with path.open("rb") as stream:
        count = int.from_bytes(stream.read(84)[80:84], "little")
    if count == 0:
        return np.empty(0, _TRIANGLE)
    return np.memmap(path, _TRIANGLE, "r", 84, (count,))


def _stl_surface(path: Path) -> Surface:
    if _stl_is_binary(path):
        points = _stl_map(path)["vertices"].reshape(-1, 3).astype(np.float64)
    else:
        found = re.findall(rb"(?i)\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", read_bytes(path, READ_BYTES))
        try:
            points = np.array(found, dtype=np.float64).reshape(-1, 3)
        except ValueError:
            raise Unreadable("a vertex of the STL is not three numbers") from None
    if len(points) % 3:
        raise Unreadable("the STL ends within a triangle")
    return points, np.arange(len(points)).reshape(-1, 3)


def _ply_known(head: Head) -> bool:
    return re.match(rb"ply\s*[\r\n]", head.start) is not None


def _ply_summary(path: Path) -> Summary:
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    end = re.search(rb"(?m)^end_header\s*?(\r\n|\n|\r)", start)
    if not end:
        raise Unreadable("the PLY has no end of its header")
    header = start[: end.start()].decode("latin-1")
    counts = {name: int(n) for name, n in re.findall(r"(?m)^element\s+(\w+)\s+(\d{1,18})\s*$", header)}
    vertices, faces = counts.get("vertex", 0), counts.get("face", 0)
    properties = re.search(r"(?m)^element\s+vertex\s.*\n((?:(?:property|comment)\s.*\n?)*)", header.replace("\r", ""))
    fields = re.findall(r"(?m)^property\s+(\w+)\s+(\w+)\s*$", properties[1] if properties else "")
    bounds: tuple[float, ...] = ()
    if "binary_" in header:
        order = "<" if "binary_little_endian" in header else ">"
        types = [(name, order + _PLY_TYPES[kind]) for kind, name in fields if kind in _PLY_TYPES]
        row = np.dtype(types) if len({name for name, _ in types}) == len(types) else np.dtype([])
        if end.end() + vertices * row.itemsize + faces > path.stat().st_size:
            raise Unreadable("the PLY ends before its last vertex")
        if (
            vertices
            and {"x", "y", "z"} <= set(row.names or ())
            and header.find("element vertex") == header.find("element ")
        ):
            points = np.memmap(path, row, "r", end.end(), (vertices,))
            bounds = bounds_of([np.stack([points["x"], points["y"], points["z"]], axis=1)])
    elif vertices + faces > path.stat().st_size:
        raise Unreadable("the PLY ends before its last vertex")
    return Summary(vertices, faces, space_in(header.encode()), bounds)


def _obj_known(head: Head) -> bool:
    if not looks_like_text(head.start):
        return False
    if head.suffixes.endswith(".obj"):
        return True
    lines = re.match(rb"(\s*(#[^\n]*)?\n)*(mtllib|o|g|v)[ \t]", head.start)
    return lines is not None and re.search(rb"(?m)^v[ \t]+\S+[ \t]+\S+[ \t]+\S+", head.start) is not None


def _obj_summary(path: Path) -> Summary:
    with _mapped(path) as content:
        vertices, faces = _count(content, rb"(?m)^[ \t]*v[ \t]"), _count(content, rb"(?m)^[ \t]*f[ \t]")
        materials = re.findall(rb"(?m)^[ \t]*mtllib[ \t]+([^\r\n]+)", content[: 16 * _HEADER_BYTES])
        space = space_in(content[:_HEADER_BYTES])
    return Summary(vertices, faces, space, sidecars=tuple(decode(m.strip())[0] for m in materials))


def _off_known(head: Head) -> bool:
    return re.match(rb"(ST)?C?N?OFF\b[^\n]*\n?", head.start) is not None and looks_like_text(head.start)


def _off_summary(path: Path) -> Summary:
    with path.open("rb") as stream:
        start = re.sub(rb"#[^\n]*", b"", stream.read(_HEADER_BYTES))
    found = re.match(rb"\w*OFF\s+(?:BINARY\s+)?(\d{1,18})\s+(\d{1,18})", start)
    if not found or b"BINARY" in start[:64]:
        raise Unreadable("the OFF states no numbers of vertices and faces as text")
    vertices, faces = int(found[1]), int(found[2])
    if vertices + faces > path.stat().st_size:
        raise Unreadable("the OFF ends before its last vertex")
    return Summary(vertices, faces)


def _by_trimesh(kind: str) -> Callable[[Path], Surface]:
    """Read by trimesh from memory, so that it follows no path that the file names."""

    def surface(path: Path) -> Surface:
        import trimesh

        content = io.BytesIO(read_bytes(path, READ_BYTES))
        if _SUMMARIES[kind](path).vertices == 0:
            return np.empty((0, 3)), np.empty((0, 3), np.int64)
        try:
            loaded = trimesh.load(content, file_type=kind, process=False, **_TRIMESH_OPTIONS[kind])
            if isinstance(loaded, trimesh.Scene):
                loaded = loaded.to_geometry()
            faces = getattr(loaded, "faces", np.empty((0, 3)))
            return np.asarray(loaded.vertices, np.float64), np.asarray(faces, np.int64).reshape(-1, 3)
        except Exception:
            # trimesh lets through whatever its parsers raise on damaged input.
            raise Unreadable(f"the {kind.upper()} is damaged") from None

    return surface


_TRIMESH_OPTIONS: dict[str, dict[str, bool]] = {
    "ply": {"fix_texture": False},
    "obj": {"maintain_order": True, "skip_materials": True},
    "off": {},
}
_SUMMARIES = {"ply": _ply_summary, "obj": _obj_summary, "off": _off_summary}

FORMATS = (
    Mesh("ply", _ply_known, _ply_summary, _by_trimesh("ply")),
    Mesh("vtk", polydata.known, polydata.summary, polydata.surface),
    Mesh("vtp", vtp.known, vtp.summary, vtp.surface),
    Mesh("gifti", gifti.known, gifti.summary, gifti.surface),
    Mesh("off", _off_known, _off_summary, _by_trimesh("off")),
    Mesh("stl", _stl_known, _stl_summary, _stl_surface),
    Mesh("obj", _obj_known, _obj_summary, _by_trimesh("obj")),
)
