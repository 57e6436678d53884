"""Segmentations in NRRD: Slicer's files, round trips of keys, overlapping layers, and Slicer's own core as judge."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats import oracles
from tests.interop import require
from vasculum.errors import Invalid
from vasculum.formats import segnrrd
from vasculum.formats.nrrd import Nrrd
from vasculum.formats.segnrrd import segment_keys, segments_of, tags_of, terminology
from vasculum.model.codes import Code
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind

MANDIBLE = Code(value="91609006", scheme="SCT", meaning="Mandible")
STRUCTURE = Code(value="123037004", scheme="SCT", meaning="Anatomical Structure")
LEFT = Code(value="7771000", scheme="SCT", meaning="Left")

OBLIQUE = np.array([[0.0, -0.5, 0, 11], [0.4, 0, 0, -7], [0, 0, 0.7, 3], [0, 0, 0, 1]])


def skull() -> tuple[Segment, ...]:
    return (
        Segment(number=1, name="cranium", label_value=3, id="Segment_1", color=(0.9, 0.8, 0.7)),
        Segment(
            number=2,
            name="mandíbula 日本; left | right",
            label_value=21,
            id="2.25.77",
            color=(1.0, 0.0, 0.25),
            category=STRUCTURE,
            type=MANDIBLE,
            modifier=LEFT,
            tags={"Segmentation.Status": "completed", "vasculum.series": "0198-ab"},
        ),
    )


def test_a_mouse_skull(shared_data: Path) -> None:
    description = Nrrd().describe(shared_data / "seg-nrrd" / "Mouse_Skull" / "baseline.seg.nrrd")
    assert description.kind is Kind.SEGMENTATION
    assert (description.modality, description.title) == ("SEG", "baseline")
    assert len(description.segments) == 5
    right = next(s for s in description.segments if s.name == "mandible, right")
    assert right.type == Code(value="1684", scheme="UBERON", meaning="mandible")
    assert right.category == STRUCTURE
    assert right.tags["Segmentation.Status"] == "completed"
    assert "nrrd.Segmentation_ContainedRepresentationNames" in description.attributes


def test_label_values_are_those_of_the_voxels(shared_data: Path) -> None:
    path = shared_data / "seg-nrrd" / "Mouse_Skull" / "baseline.seg.nrrd"
    description = Nrrd().describe(path)
    present = set(np.unique(oracles.read(description, path.parent)[::4, ::4, ::4]).tolist()) - {0}
    assert present <= {segment.label_value for segment in description.segments}
    assert len(present) >= 4


def test_overlapping_layers(shared_data: Path) -> None:
    slicerio = require("slicerio")
    path = shared_data / "seg-nrrd" / "slicerio" / "SegmentationOverlapping.seg.nrrd"
    description = Nrrd().describe(path)
    assert description.voxels is not None
    assert (description.voxels.axes, description.voxels.sizes) == ("tkji", (2, 34, 128, 128))
    assert {segment.layer for segment in description.segments} == {0, 1}
    theirs = slicerio.read_segmentation(str(path))
    assert [s.name for s in description.segments] == [s["name"] for s in theirs["segments"]]
    assert [s.label_value for s in description.segments] == [s["labelValue"] for s in theirs["segments"]]
    assert [s.layer for s in description.segments] == [s["layer"] for s in theirs["segments"]]
    ours = oracles.read(description, path.parent)
    assert np.array_equal(ours.transpose(0, 3, 2, 1), theirs["voxels"])


def test_every_key_of_real_files_comes_back(shared_data: Path) -> None:
    """Written again, each segment has the same identity, value, colour and tags."""
    paths = sorted(shared_data.rglob("*.seg.nrrd"))
    assert len(paths) == 9
    for path in paths:
        segments = Nrrd().describe(path).segments
        assert segments
        assert segments_of(segment_keys(segments)) == segments


@pytest.mark.parametrize("layers", [False, True])
@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_round_trip(tmp_path: Path, layers: bool, encoding: str) -> None:
    array = np.zeros((2, 4, 5, 6) if layers else (4, 5, 6), np.uint8)
    array[..., 1, 2, 3] = 3
    array[..., 2, 2, 3] = 21
    geometry = Geometry.from_affine(OBLIQUE, (4, 5, 6))
    path = tmp_path / "a b.seg.nrrd"
    segnrrd.write(path, array, geometry, skull(), attributes={"vasculum.id": "7"}, encoding=encoding)
    description = Nrrd().describe(path)
    assert description.segments == tuple(
        segment if segment.type is None else with_entry(segment) for segment in skull()
    )
    assert description.geometry is not None
    assert description.geometry.same_grid(geometry)
    assert description.attributes["nrrd.vasculum.id"] == ("7",)
    assert np.array_equal(oracles.read(description, tmp_path), array)
    assert np.array_equal(oracles.itk_values(oracles.itk_image(path), "tkji" if layers else "kji"), array)


@pytest.mark.interop
def test_slicer_opens_what_we_write(tmp_path: Path) -> None:
    """Names, colours, label voxels and tags, as Slicer's own core reads them from a scene."""
    require("slicer", "Slicer's own core is the judge")
    from tests import slicer_session

    array = np.zeros((2, 4, 5, 6), np.uint8)
    array[0, 1, 2:4, 3] = 3
    array[1, 1:3, 2, 3] = 21
    overlapping = (skull()[0], replace(skull()[1], layer=1))
    segnrrd.write(tmp_path / "s.seg.nrrd", array, Geometry.from_affine(OBLIQUE, (4, 5, 6)), overlapping)
    scene = (
        '<MRML><SegmentationStorage id="vtkMRMLSegmentationStorageNode1" fileName="Data/s.seg.nrrd"/>'
        '<Segmentation id="vtkMRMLSegmentationNode1" name="s" references="storage:vtkMRMLSegmentationStorageNode1;"/></MRML>'
    )
    with zipfile.ZipFile(tmp_path / "s.mrb", "w") as archive:
        archive.writestr("s/s.mrml", scene)
        archive.write(tmp_path / "s.seg.nrrd", "s/Data/s.seg.nrrd")
    (segmentation,) = slicer_session.load(tmp_path / "s.mrb", tmp_path / "out")["segmentations"]
    assert [one["name"] for one in segmentation["segments"]] == [one.name for one in overlapping]
    for one, segment in zip(segmentation["segments"], overlapping, strict=True):
        assert one["color"] == pytest.approx(segment.color, abs=1e-3)
        assert one["array"].sum() == (array[segment.layer] == segment.label_value).sum()
        for name, value in segment.tags.items():
            assert name in one["tags"]
            assert value in one["tags"]


def with_entry(segment: Segment) -> Segment:
    return replace(segment, tags={**segment.tags, segnrrd.TERMINOLOGY: segnrrd.terminology_entry(segment)})


def test_terminology_both_ways() -> None:
    segment = skull()[1]
    assert terminology(segnrrd.terminology_entry(segment)) == (STRUCTURE, MANDIBLE, LEFT, None)
    assert terminology("") == (None, None, None, None)
    assert terminology("only a context") == (None, None, None, None)


def test_an_entry_that_came_is_kept_exactly() -> None:
    entry = "Mouse_Skull~SCT^123037004^Anatomical Structure~UBERON^1684^mandible~^^~Anatomic codes~^^~^^"
    segment = segments_of({"Segment0_ID": "a", "Segment0_Tags": f"TerminologyEntry:{entry}|x:y:z|"})[0]
    assert segment.tags == {"TerminologyEntry": entry, "x": "y:z"}
    assert segment_keys([segment])["Segment0_Tags"] == f"TerminologyEntry:{entry}|x:y:z|"


@given(st.dictionaries(st.text("abcXYZ. ", min_size=1), st.text(st.characters(exclude_characters="|"))))
def test_tags_come_back(tags: dict[str, str]) -> None:
    assert tags_of("".join(f"{name}:{value}|" for name, value in tags.items())) == tags


def test_files_before_label_values_have_a_layer_each() -> None:
    segments = segments_of({"Segment0_ID": "a", "Segment1_ID": "b", "Segment1_Color": "2 0 0"})
    assert [(s.name, s.label_value, s.layer, s.color) for s in segments] == [("a", 1, 0, None), ("b", 1, 1, None)]


def test_numbers_of_segments_may_have_gaps() -> None:
    segments = segments_of({f"Segment{n}_Name": f"s{n}" for n in (10, 2, 0)})
    assert [(s.number, s.name) for s in segments] == [(1, "s0"), (2, "s2"), (3, "s10")]


@pytest.mark.parametrize("tags", [{"a|b": "c"}, {"a": "b|c"}, {"a:b": "c"}])
def test_tags_that_slicer_cannot_tell_apart_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        segment_keys([Segment(number=1, name="x", label_value=1, tags=tags)])
