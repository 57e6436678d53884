from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.interop import require
from vasculum.errors import Unreadable, Unsupported
from vasculum.formats import mesh
from vasculum.formats.registry import recognise
from vasculum.formats.surface import strips, triangles
from vasculum.model.kinds import Kind

COUNTS = {
    "ballA.off": ("off", 1900, 3796),
    "bunny.ply": ("ply", 8171, 16301),
    "fuze.ply": ("ply", 502, 1000),
    "fuze.obj": ("obj", 502, 1000),
    "featuretype.STL": ("stl", 10428, 3476),
    "teapot.stl": ("stl", 2682, 894),
    "two_objects_mixed_case_names.stl": ("stl", 72, 24),
    "pial_left.gii.gz": ("gifti", 10242, 20480),
    "cube.vtk": ("vtk", 24, 6),
    "cube.vtp": ("vtp", 24, 6),
    "empty.stl": ("stl", 0, 0),
    "empty.ply": ("ply", 0, 0),
    "empty.obj": ("obj", 0, 0),
    "points_ascii.ply": ("ply", 5, 0),
}


def real(shared_data: Path, name: str) -> Path:
    return next(shared_data.rglob(name))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_real_meshes(shared_data: Path, name: str) -> None:
    path = real(shared_data, name)
    described = recognise(path).describe(path)
    vertices, faces = described.attributes["mesh.vertices"], described.attributes["mesh.faces"]
    assert (described.format, *vertices, *faces) == COUNTS[name]
    assert described.kind is Kind.MESH
    assert len(mesh.read(path)[0]) == vertices[0]


def test_bounds_are_those_of_the_points(shared_data: Path) -> None:
    for path in [p for p in shared_data.rglob("*") if p.suffix.lower() in (".stl", ".ply", ".vtk")]:
        bounds = recognise(path).describe(path).attributes.get("mesh.bounds")
        if bounds:
            points, _ = mesh.read(path)
            assert np.allclose(bounds, [*points.min(axis=0), *points.max(axis=0)]), path.name


def test_space_is_said_or_asked_for(shared_data: Path) -> None:
    for name, space in (
        ("cube.vtk", "RAS"),
        ("cube.vtp", "RAS"),
        ("pallidum_L.vtk", "RAS"),
        ("pial_left.gii.gz", "RAS"),
    ):
        path = real(shared_data, name)
        assert recognise(path).describe(path).attributes["mesh.space"] == (space,)
    teapot = real(shared_data, "teapot.stl")
    assert [f.code for f in recognise(teapot).describe(teapot).findings] == ["space-unknown"]


def test_materials_are_sidecars_in_the_same_folder_only(shared_data: Path, tmp_path: Path) -> None:
    path = real(shared_data, "fuze.obj")
    assert [(p.name, p.role) for p in recognise(path).describe(path).parts] == [
        ("fuze.obj", "data"),
        ("fuze.obj.mtl", "sidecar"),
    ]
    (tmp_path / "secret.mtl").write_text("x")
    (tmp_path / "in").mkdir()
    hostile = tmp_path / "in" / "a.obj"
    hostile.write_text("mtllib ../secret.mtl\nmtllib /etc/passwd\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    described = recognise(hostile).describe(hostile)
    assert len(described.parts) == 1
    assert "missing-sidecar" in [f.code for f in described.findings]
    assert mesh.read(hostile)[1].tolist() == [[0, 1, 2]]


def test_binary_stl_with_a_space(tmp_path: Path) -> None:
    path = tmp_path / "a.stl"
    triangle = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0)
    path.write_bytes(b"3D Slicer output. SPACE=LPS".ljust(80, b"\0") + struct.pack("<I", 2) + triangle * 2)
    described = recognise(path).describe(path)
    assert described.attributes["mesh.space"] == ("LPS",)
    assert described.attributes["mesh.bounds"] == (0, 0, 0, 1, 2, 0)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unreadable):
        recognise(path).describe(path)


def test_polygons_and_strips_become_triangles() -> None:
    corners = np.arange(7)
    assert triangles(np.array([4, 3]), corners).tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6]]
    assert strips(np.array([4]), corners[:4]).tolist() == [[0, 1, 2], [2, 1, 3]]
    assert triangles(np.array([2, 1]), corners[:3]).shape == (0, 3)
    with pytest.raises(Unreadable):
        triangles(np.array([9]), corners)


def test_faces_that_name_no_vertex_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.vtk"
    text = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\nPOLYGONS 1 4\n3 0 1 {}\n"
    path.write_text(text.format(2))
    assert mesh.read(path)[1].tolist() == [[0, 1, 2]]
    path.write_text(text.format(3))
    with pytest.raises(Unreadable):
        mesh.read(path)


def test_counts_that_lie_allocate_nothing(tmp_path: Path) -> None:
    vtk, ply, off = tmp_path / "a.vtk", tmp_path / "a.ply", tmp_path / "a.off"
    vtk.write_bytes(b"# vtk DataFile Version 3.0\nx\nBINARY\nDATASET POLYDATA\nPOINTS 99999999999 float\nxx\n")
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\nproperty float x\nend_header\n"
    ply.write_bytes(header + b"x")
    off.write_bytes(b"OFF\n99999999999 1 0\n")
    for path in (vtk, ply, off):
        with pytest.raises(Unreadable):
            recognise(path).describe(path)


def test_a_vtk_image_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "a.vtk"
    path.write_bytes(b"# vtk DataFile Version 3.0\nx\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 1 1 1\n")
    with pytest.raises(Unsupported):
        recognise(path).describe(path)


@pytest.mark.interop
@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("binary", [False, True])
def test_vtk_files_equal_what_vtk_wrote(tmp_path: Path, version: int, binary: bool) -> None:
    vtk = require("vtk", "VTK's own writers")
    sphere = vtk.vtkSphereSource()
    sphere.SetThetaResolution(9)
    stripper = vtk.vtkStripper()
    stripper.SetInputConnection(sphere.GetOutputPort())
    for source in (sphere, stripper):
        source.Update()
        output = source.GetOutput()
        text = vtk.vtkStringArray()
        text.SetName("SPACE")
        text.InsertNextValue("LPS")
        output.GetFieldData().AddArray(text)
        triangle = vtk.vtkTriangleFilter()
        triangle.SetInputData(output)
        triangle.Update()
        expected = triangle.GetOutput()
        wanted = {
            tuple(sorted(expected.GetCell(n).GetPointId(c) for c in range(3)))
            for n in range(expected.GetNumberOfCells())
        }
        legacy = vtk.vtkPolyDataWriter()
        legacy.SetFileVersion(version)
        (legacy.SetFileTypeToBinary if binary else legacy.SetFileTypeToASCII)()
        legacy.SetFileName(str(tmp_path / "a.vtk"))
        xml = vtk.vtkXMLPolyDataWriter()
        (xml.SetDataModeToBinary if binary else xml.SetDataModeToAscii)()
        if version == 42:
            xml.SetCompressorTypeToNone()
        xml.SetFileName(str(tmp_path / "a.vtp"))
        for writer in (legacy, xml):
            writer.SetInputData(output)
            writer.Write()
        points = np.array([output.GetPoint(n) for n in range(output.GetNumberOfPoints())])
        for name in ("a.vtk", "a.vtp"):
            path = tmp_path / name
            vertices, faces = mesh.read(path)
            assert np.allclose(vertices, points, atol=1e-5), name
            assert {tuple(sorted(f)) for f in faces.tolist()} == wanted, name
            space = recognise(path).describe(path).attributes.get("mesh.space")
            assert space == ("LPS",) or name == "a.vtp", name


@pytest.mark.interop
def test_gifti_equals_nibabel(shared_data: Path) -> None:
    nibabel = require("nibabel")
    path = real(shared_data, "pial_left.gii.gz")
    vertices, faces = mesh.read(path)
    expected = nibabel.load(path)
    assert np.array_equal(vertices, expected.agg_data("pointset"))
    assert np.array_equal(faces, expected.agg_data("triangle"))
