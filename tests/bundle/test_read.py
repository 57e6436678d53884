"""Opening bundles and foreign MRBs as arrays, and saying what is in a file."""

from __future__ import annotations

import html
import mmap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundle.conftest import Packed
from tests.bundle.specimens import STRAIN, nrrd_file, oblique
from vasculum.bundle import inspect, open_bundle
from vasculum.bundle.volumes import right_handed
from vasculum.errors import NotFound, Unreadable, VasculumError
from vasculum.formats import nrrd, segnrrd
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry


def _is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


@pytest.mark.parametrize("label", ["head", "skull", "chest", "oblique", "left float", "odd"])
def test_arrays_are_memory_maps_of_equal_voxels(zoo: Packed, label: str) -> None:
    item = zoo.items[label]
    assert item.voxels
    expected, geometry = right_handed(item.voxels(), item.series.geometry, "kji")
    with open_bundle(zoo.path) as bundle:
        volume = bundle.volumes[label]
        assert _is_mapped(volume.array)
        assert not volume.array.flags.writeable
        np.testing.assert_array_equal(volume.array, expected)
        assert volume.geometry and geometry and volume.geometry.same_grid(geometry)
        assert item.series.geometry and volume.geometry.same_space(item.series.geometry)
        kept = volume.array
    assert kept[0, 0, 0] == expected[0, 0, 0]  # maps outlive the bundle


@pytest.mark.parametrize("label", ["time", "colour", "no size"])
def test_other_volumes_come_back_too(zoo: Packed, label: str) -> None:
    item = zoo.items[label]
    assert item.voxels and item.description.voxels
    with open_bundle(zoo.path) as bundle:
        assert bundle.volumes[label].axes == item.description.voxels.axes
        np.testing.assert_array_equal(bundle.volumes[label].array, item.voxels())


def test_masks_are_those_of_the_source(zoo: Packed) -> None:
    with open_bundle(zoo.path) as bundle:
        for label in ("one layer", "two layers"):
            item = zoo.items[label]
            assert item.voxels
            array = item.voxels()
            for segment in item.series.segments:
                layer = array[segment.layer] if array.ndim == 4 else array
                mask = bundle.segmentations[label].mask(segment.name)
                assert mask.dtype == bool
                np.testing.assert_array_equal(mask, layer == segment.label_value)
        with pytest.raises(NotFound, match="ribs"):
            bundle.segmentations["one layer"].mask("femur")
        assert _is_mapped(bundle.segmentations["one layer"].array)


def test_landmarks_meshes_and_tables(zoo: Packed) -> None:
    with open_bundle(zoo.path) as bundle:
        landmarks = zoo.items["landmarks"].series.landmarks
        np.testing.assert_array_equal(bundle.landmarks["landmarks"].positions, [m.position for m in landmarks])
        assert bundle.landmarks["landmarks"].labels == tuple(m.label for m in landmarks)
        vertices, triangles = bundle.meshes["bunny"].surface
        assert vertices.shape == (8171, 3)
        assert triangles.shape[1] == 3
        assert bundle.tables["atlas"].rows[0]["Name"] == "left lung"
        assert set(bundle.meshes) == {"bunny", "caudate; 50 %"}


def test_metadata_is_the_whole_record(zoo: Packed) -> None:
    with open_bundle(zoo.path) as bundle:
        record = bundle.metadata
    assert record["subject"]["label"] == STRAIN
    assert {s["label"] for s in record["series"]} == set(zoo.items)
    head = next(s for s in record["series"] if s["label"] == "head")
    geometry = zoo.items["head"].series.geometry
    assert geometry
    np.testing.assert_allclose(head["geometry"]["affine_lps"], geometry.affine)
    assert head["attributes"]["Modality"] == ["CT"]
    assert record["activities"][0]["type"] == "import"


def test_reprs_are_tables_with_a_picture_and_nothing_unescaped(zoo: Packed) -> None:
    with open_bundle(zoo.path) as bundle:
        for shown in (bundle, bundle.volumes["head"], bundle.segmentations["one layer"], bundle.volumes["colour"]):
            text = shown._repr_html_()
            assert "<table>" in text
            assert "data:image/png;base64,iVBOR" in text
        assert html.escape("a;b%25c % \"q\" <x> & 'y' ^|z:") in bundle._repr_html_()
        assert "<x>" not in bundle._repr_html_()
        for plain in (bundle.landmarks["landmarks"], bundle.meshes["bunny"], bundle.tables["atlas"]):
            assert "<table>" in plain._repr_html_()


def test_inspect_lists_every_member_of_a_bundle(zoo: Packed) -> None:
    found = inspect(zoo.path)
    assert found.container == "bundle"
    assert [m.name for m in found.members] == [m.name for m in zoo.report.members]
    kinds = {m.name: m.kind for m in found.members}
    assert kinds["DICOMDIR"] == "directory"
    assert kinds["DICOM/IM000001"] == "volume"
    assert list(kinds.values()).count("scene") == 2  # ours, and the old one that was packed as a document
    assert all(m.what and m.kind for m in found.members)
    assert found.metadata["subject"]["label"] == STRAIN


def _saved_like_slicer(path: Path, compression: int) -> tuple[np.ndarray[Any, Any], Geometry]:
    """An MRB as Slicer writes it: a folder entry, gzip NRRD with the archetype storage, percent-encoded names."""
    folder = path.parent
    array = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    geometry = Geometry.from_affine(oblique(), (5, 6, 7))
    nrrd.write(folder / "v.nrrd", array, geometry, encoding="gzip")
    nrrd_file(folder / "raw.nrrd", array, oblique())
    segnrrd.write(
        folder / "s.seg.nrrd",
        (array > 50).astype(np.uint8),
        geometry,
        [Segment(number=1, name="bone", label_value=1, id="Segment_1")],
    )
    scene = """<MRML version="Slicer 5.6.2 32448">
    <VolumeArchetypeStorage id="a1" fileName="Data/CT%20of%20100%25.nrrd"/>
    <Volume id="v1" name="CT of 100%" references="storage:a1;"/>
    <VolumeArchetypeStorage id="a2" fileName="Data/raw.nrrd"/>
    <Volume id="v2" name="raw" references="storage:a2;"/>
    <SegmentationStorage id="a3" fileName="Data/s.seg.nrrd"/>
    <Segmentation id="v3" name="bones" references="storage:a3;"/>
    <VolumeArchetypeStorage id="a4" fileName="../../../etc/passwd"/>
    <Volume id="v4" name="evil" references="storage:a4;"/>
    </MRML>"""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("scene/", b"")
        archive.writestr("scene/scene.mrml", scene)
        archive.write(folder / "v.nrrd", "scene/Data/CT of 100%.nrrd")
        archive.write(folder / "raw.nrrd", "scene/Data/raw.nrrd")
        archive.write(folder / "s.seg.nrrd", "scene/Data/s.seg.nrrd")
    return array, geometry


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_mrb_of_slicer_opens(tmp_path: Path, compression: int) -> None:
    array, geometry = _saved_like_slicer(tmp_path / "s.mrb", compression)
    with open_bundle(tmp_path / "s.mrb") as bundle:
        assert bundle.metadata == {}
        assert set(bundle.volumes) == {"CT of 100%", "raw"}
        for volume in bundle.volumes.values():
            np.testing.assert_array_equal(volume.array, array)
            assert volume.geometry and volume.geometry.same_grid(geometry)
            assert volume.series == ""
        assert _is_mapped(bundle.volumes["raw"].array)
        np.testing.assert_array_equal(bundle.segmentations["bones"].mask("bone"), array > 50)
    assert inspect(tmp_path / "s.mrb").container == "mrb"


def test_the_mrb_of_the_proofs_opens(shared_data: Path) -> None:
    path = shared_data.parent / "proofs/specimen_final.mrb"
    if not path.exists():
        pytest.skip("the proofs are not there")
    with open_bundle(path) as bundle:
        assert bundle.volumes and bundle.segmentations and bundle.landmarks
        (volume,) = bundle.volumes.values()
        assert _is_mapped(volume.array)
        (segmentation,) = bundle.segmentations.values()
        assert segmentation.mask("mandible").any()


@pytest.mark.parametrize(
    "text",
    [
        "data file: ../../../../../../etc/passwd",
        "data file: /etc/passwd",
        "data file: C:\\x",
        "data file: ..\\..\\..\\x",
        "line skip: 3\ndata file: other.raw",
        "byte skip: 5\ndata file: other.raw",
        "data file: absent.raw",
    ],
)
def test_headers_that_point_elsewhere_are_errors_when_read(tmp_path: Path, text: str) -> None:
    header = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\nspacings: 1 1 1\n{text}\n"
    scene = '<MRML><NRRDStorage id="a" fileName="v.nhdr"/><Volume name="v" references="storage:a;"/></MRML>'
    with zipfile.ZipFile(tmp_path / "x.mrb", "w") as archive:
        archive.writestr("s/s.mrml", scene)
        archive.writestr("s/v.nhdr", header)
        archive.writestr("s/other.raw", b"12345678")
    with open_bundle(tmp_path / "x.mrb") as bundle, pytest.raises(VasculumError):
        _ = bundle.volumes["v"].array


def test_inspect_tells_what_single_files_are(shared_data: Path, tmp_path: Path) -> None:
    found = inspect(shared_data / "nrrd/slicerio/CTChest4.nrrd")
    assert (found.container, found.members[0].kind, found.members[0].format) == ("", "volume", "nrrd")
    assert "34×128×128" in found.members[0].what
    slice_ = next((shared_data / "dicom-ct/Slicer/CTHeadAxialDicom").iterdir())
    assert inspect(slice_).members[0].format == "dicom"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(slice_, "IM1")
        archive.writestr("../evil", b"x")
    zipped = inspect(tmp_path / "x.zip")
    assert zipped.container == "zip"
    assert [(m.name, m.format) for m in zipped.members] == [("IM1", "dicom")]
    assert "climbing-member" in {f.code for f in zipped.findings}


@pytest.mark.parametrize("opening", [open_bundle, inspect])
def test_what_is_not_there_or_no_bundle_is_an_error_of_ours(tmp_path: Path, opening: Callable[[Path], Any]) -> None:
    with pytest.raises(NotFound):
        opening(tmp_path / "nothing.mrb")
    (tmp_path / "x.mrb").write_bytes(b"")
    with pytest.raises(Unreadable):
        opening(tmp_path / "x.mrb")
    with zipfile.ZipFile(tmp_path / "y.mrb", "w") as archive:
        archive.writestr("a", b"x")
    with pytest.raises(Unreadable):
        open_bundle(tmp_path / "y.mrb")


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.999])
def test_a_torn_bundle_is_unreadable(zoo: Packed, tmp_path: Path, cut: float) -> None:
    content = zoo.path.read_bytes()
    (tmp_path / "x.mrb").write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(VasculumError):
        open_bundle(tmp_path / "x.mrb")
