"""A bundle opens in 3D Slicer's MRML core with everything in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.bundle.conftest import Packed
from tests.bundle.specimens import HARD_STRINGS, STRAIN, item_of, nrrd_file, oblique, pack
from vasculum.bundle import open_bundle
from vasculum.bundle.volumes import right_handed
from vasculum.model.geometry import RAS_FROM_LPS

pytestmark = pytest.mark.interop


def _named(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in nodes}


def test_slicer_reads_the_scene_without_a_complaint(in_slicer: dict[str, Any]) -> None:
    assert in_slicer["good"]
    assert in_slicer["messages"].strip() == ""


@pytest.mark.parametrize("label", ["head", "skull", "chest", "oblique", "left float", "odd"])
def test_voxels_spacing_and_directions_are_equal_in_slicer(
    zoo: Packed, in_slicer: dict[str, Any], label: str
) -> None:
    item, node = zoo.items[label], _named(in_slicer["volumes"])[label]
    assert item.voxels
    array, geometry = right_handed(item.voxels(), item.series.geometry, "kji")
    assert geometry
    np.testing.assert_array_equal(node["array"], array)
    affine = RAS_FROM_LPS @ np.array(node["ijk_to_ras"])
    np.testing.assert_allclose(affine, geometry.affine, atol=1e-9 * np.abs(geometry.affine).max())
    assert node["storage"] == "vtkMRMLNRRDStorageNode"
    assert node["storage_file"].endswith(".nhdr")


def test_colour_unsized_and_timed_volumes_open_too(zoo: Packed, in_slicer: dict[str, Any]) -> None:
    volumes = _named(in_slicer["volumes"])
    for label in ("colour", "no size"):
        item = zoo.items[label]
        assert item.voxels
        np.testing.assert_array_equal(volumes[label]["array"], item.voxels())
    assert [(s["name"], s["items"]) for s in in_slicer["sequences"]] == [("time", 6)]


def test_the_window_shows_most_of_the_values(zoo: Packed, in_slicer: dict[str, Any]) -> None:
    from vasculum.formats.picture import display_window

    item = zoo.items["chest"]
    assert item.voxels
    assert _named(in_slicer["volumes"])["chest"]["window"] == pytest.approx(display_window(item.voxels()))


@pytest.mark.parametrize("label", ["one layer", "two layers"])
def test_segments_have_their_names_colours_and_voxels(zoo: Packed, in_slicer: dict[str, Any], label: str) -> None:
    item, node = zoo.items[label], _named(in_slicer["segmentations"])[label]
    assert item.voxels
    array = item.voxels()
    assert [s["name"] for s in node["segments"]] == [s.name for s in item.series.segments]
    for segment, found in zip(item.series.segments, node["segments"], strict=True):
        layer = array[segment.layer] if array.ndim == 4 else array
        assert found["array"].sum() == (layer == segment.label_value).sum()
        np.testing.assert_allclose(found["color"], segment.color, atol=1e-5)
        assert f"vasculum.series: {item.series.id}" in found["tags"]
    chest = _named(in_slicer["volumes"])["chest"]
    assert node["reference"] == chest["id"]


def test_a_segment_lies_where_it_lay(zoo: Packed, in_slicer: dict[str, Any]) -> None:
    item = zoo.items["one layer"]
    geometry = item.series.geometry
    assert item.voxels and geometry
    node = _named(in_slicer["segmentations"])["one layer"]
    segment, found = item.series.segments[0], node["segments"][0]
    ours = (
        np.argwhere(item.voxels() == segment.label_value)[:, ::-1] @ geometry.affine[:3, :3].T
        + geometry.affine[:3, 3]
    )
    first = np.array(found["extent"][::2])
    theirs = np.c_[np.argwhere(found["array"])[:, ::-1] + first, np.ones(found["array"].sum())]
    theirs = (theirs @ (RAS_FROM_LPS @ np.array(found["ijk_to_ras"])).T)[:, :3]
    np.testing.assert_allclose(theirs.mean(axis=0), ours.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(theirs.min(axis=0), ours.min(axis=0), atol=1e-6)


@pytest.mark.parametrize("label", ["landmarks", "fcsv"])
def test_landmarks_have_their_ids_labels_and_positions(zoo: Packed, in_slicer: dict[str, Any], label: str) -> None:
    points, landmarks = _named(in_slicer["markups"])[label]["points"], zoo.items[label].series.landmarks
    assert [p["label"] for p in points] == [m.label for m in landmarks]
    assert [p["id"] for p in points] == [m.id or str(n) for n, m in enumerate(landmarks, start=1)]
    ras = np.array([m.position for m in landmarks]) * (-1, -1, 1)
    np.testing.assert_allclose([p["position"] for p in points], ras, atol=1e-12)


def test_meshes_and_tables_open(in_slicer: dict[str, Any]) -> None:
    models = _named(in_slicer["models"])
    assert models["bunny"]["points"] == 8171
    assert models["caudate; 50 %"]["points"] > 100
    tables = _named(in_slicer["tables"])
    assert tables["atlas"]["columns"][:2] == ["LabelValue", "Name"]
    assert tables["workbook"]["cells"]


def test_marks_lie_on_nodes_and_in_the_hierarchy(zoo: Packed, in_slicer: dict[str, Any]) -> None:
    for kind in ("volumes", "segmentations", "markups", "models", "tables"):
        for node in in_slicer[kind]:
            series = zoo.items[node["name"]].series
            assert node["attributes"]["vasculum.series"] == series.id
    levels = {item["name"]: item for item in in_slicer["hierarchy"]}
    assert (levels[STRAIN]["level"], levels[STRAIN]["uid"]) == ("Patient", STRAIN)
    study = levels["first scan; 100 %"]
    assert (study["level"], study["uid"], study["parent"]) == ("Study", "2.25.7001", STRAIN)
    assert levels["head"]["parent"] == "first scan; 100 %"
    assert levels["head"]["uid"].startswith("2.25.")


def test_the_first_volume_is_shown(in_slicer: dict[str, Any]) -> None:
    assert in_slicer["composites"] == [in_slicer["volumes"][0]["id"]] * 3


def test_the_record_is_a_text_that_slicer_reads(zoo: Packed, in_slicer: dict[str, Any]) -> None:
    import json

    with open_bundle(zoo.path) as bundle:
        assert json.loads(_named(in_slicer["texts"])["vasculum"]["text"]) == bundle.metadata


def test_what_slicer_saved_again_opens_with_marks_and_voxels(zoo: Packed, in_slicer: dict[str, Any]) -> None:
    assert in_slicer["saved"]
    with open_bundle(in_slicer["again"]) as again, open_bundle(zoo.path) as ours:
        for label in ("head", "skull", "oblique"):
            volume = again.volumes[label]
            assert volume.series == zoo.items[label].series.id
            np.testing.assert_array_equal(volume.array, ours.volumes[label].array)
            geometry = ours.volumes[label].geometry
            assert volume.geometry and geometry and volume.geometry.same_grid(geometry)
        assert again.landmarks["landmarks"].labels == ours.landmarks["landmarks"].labels
        theirs, own = again.segmentations["one layer"], ours.segmentations["one layer"]
        assert [theirs.mask(s.name).sum() for s in theirs.segments] == [own.mask(s.name).sum() for s in own.segments]
        assert all(s.tags["vasculum.series"] == zoo.items["one layer"].series.id for s in theirs.segments)


def test_hard_strings_come_back_from_slicer(tmp_path: Any) -> None:
    from tests import slicer_session
    from tests.interop import require

    require("slicer")
    file = nrrd_file(tmp_path / "a.nrrd", np.zeros((2, 3, 4), np.uint8), oblique())
    items = [item_of(file, n, label=text) for n, text in enumerate(HARD_STRINGS)]
    pack(tmp_path / "hard.mrb", items)
    scene = slicer_session.load(tmp_path / "hard.mrb", tmp_path / "out")
    assert scene["good"]
    assert [v["name"] for v in scene["volumes"]] == list(HARD_STRINGS)
    assert all(v["array"].shape == (2, 3, 4) for v in scene["volumes"])
    with open_bundle(tmp_path / "hard.mrb") as bundle:
        assert list(bundle.volumes) == list(HARD_STRINGS)
        assert [bundle.metadata["subject"]["metadata"][f"hard_{n}"] for n in range(len(HARD_STRINGS))] == [
            *HARD_STRINGS
        ]
