"""Label maps as DICOM segmentations."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.dicom.specimens import WHEN, assert_conformant, context, from_nibabel, oblique, stored, values, write
from tests.interop import require
from vasculum.dicom.color import cielab, srgb
from vasculum.dicom.seg import LABELMAP_SEGMENTATION, SourceImage, write_labelmap
from vasculum.dicom.uids import uid_from
from vasculum.dicom.write import Written
from vasculum.errors import Invalid
from vasculum.model.codes import Code
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry

MANDIBLE = Segment(
    number=1,
    name="mandible",
    label_value=1,
    id="Segment_1",
    color=(1.0, 0.5, 0.2),
    category=Code("91723000", "SCT", "Anatomical Structure"),
    type=Code("91609006", "SCT", "Mandible"),
    modifier=Code("7771000", "SCT", "Left"),
)
OTHER = Segment(number=2, name="Ñandú 日本", label_value=7, color=(0.1, 0.9, 0.3))


def labels(shape: tuple[int, int, int] = (5, 8, 7)) -> np.ndarray:
    array = np.zeros(shape, "u1")
    array[1, 2:4, 1:3] = 1
    array[2:, 1, 1] = 7
    return array


def write_labels(path: Path, array: np.ndarray, geometry: Geometry, **more: Any) -> Written:
    given: dict[str, Any] = {
        "segments": (OTHER, MANDIBLE),
        "context": context(),
        "series_uid": uid_from("segmentation"),
        "series_number": 2,
        "label": "Bones",
        "sop_instance_uid": uid_from("segmentation", "instance"),
        "source": None,
        "when": WHEN,
    }
    slabs = (array[k : k + 2] for k in range(0, len(array), 2))
    return write_labelmap(path, slabs, geometry=geometry, dtype=array.dtype, **(given | more))


def read_segmentation(path: Path) -> Any:
    import highdicom as hd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hd.seg.segread(path)


@pytest.mark.parametrize("with_source", [True, False])
def test_highdicom_reads_equal_voxels_at_equal_places(tmp_path: Path, with_source: bool) -> None:
    require("dciodvfy")
    geometry, array = oblique(), labels()
    image = write(tmp_path / "image", values(geometry.shape, "i2"), geometry)
    source = SourceImage.of(image, geometry) if with_source else None
    written = write_labels(tmp_path / "seg", array, geometry, source=source)
    assert written.sop_class_uid == LABELMAP_SEGMENTATION
    assert_conformant(written.path, geometry)
    assert np.array_equal(stored(written, array.shape), array)
    segmentation = read_segmentation(written.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = segmentation.get_volume(combine_segments=True)
    index = np.argwhere(array)
    world = (geometry.affine @ np.c_[index[:, ::-1], np.ones(len(index))].T)[:3]
    at = np.rint(np.linalg.inv(volume.affine) @ np.vstack((world, np.ones(len(index)))))[:3].astype(int)
    assert np.array_equal(volume.array[tuple(at)], array[tuple(index.T)])
    assert np.count_nonzero(volume.array) == len(index)


def test_names_colours_and_codes_are_kept(tmp_path: Path) -> None:
    from highdicom.color import CIELabColor

    written = write_labels(tmp_path / "seg", labels(), oblique())
    background, first, second = read_segmentation(written.path).SegmentSequence
    assert (background.SegmentNumber, background.SegmentLabel) == (0, "Background")
    assert (first.SegmentNumber, first.SegmentLabel, first.TrackingID) == (1, "mandible", "Segment_1")
    assert (second.SegmentNumber, second.SegmentLabel) == (7, "Ñandú 日本")
    kind = first.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodeMeaning) == ("91609006", "Mandible")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    for item, segment in ((first, MANDIBLE), (second, OTHER)):
        color = CIELabColor.from_dicom_value(tuple(item.RecommendedDisplayCIELabValue))
        assert np.allclose(color.to_rgb(clip=True), np.multiply(segment.color or (), 255), atol=0.6)


@pytest.mark.parametrize(
    "rgb", [(0, 0, 0), (1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.2, 0.4, 0.6), (1, 0.9, 0.01)]
)
def test_colours_come_back(rgb: tuple[float, float, float]) -> None:
    assert np.allclose(srgb(cielab(rgb)), rgb, atol=2e-3)


def test_frames_name_their_source_frames_on_the_same_grid_only(tmp_path: Path) -> None:
    geometry = oblique()
    image = write(tmp_path / "image", values(geometry.shape, "i2"), geometry)
    other = oblique(spacing=(1, 2, 3))
    same = pydicom.dcmread(
        write_labels(tmp_path / "a", labels(), geometry, source=SourceImage.of(image, geometry)).path
    )
    apart = pydicom.dcmread(
        write_labels(tmp_path / "b", labels(), other, source=SourceImage.of(image, geometry)).path
    )
    numbers = [
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for frame in same.PerFrameFunctionalGroupsSequence
    ]
    assert numbers == [1, 2, 3, 4, 5]
    assert same.FrameOfReferenceUID == apart.FrameOfReferenceUID == image.frame_of_reference
    whole = apart.SharedFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert whole.ReferencedSOPInstanceUID == image.sop_instance_uid
    assert "ReferencedFrameNumber" not in whole


def test_three_hundred_segments_in_sixteen_bits(tmp_path: Path) -> None:
    require("dciodvfy")
    array = np.arange(5 * 8 * 7, dtype="u2").reshape(5, 8, 7) + 20
    segments = [Segment(number=n, name=f"s{n}", label_value=n) for n in range(1, 301)]
    written = write_labels(tmp_path / "seg", array, oblique(), segments=segments)
    assert_conformant(written.path, oblique())
    assert np.array_equal(stored(written, array.shape), array)


def test_what_is_no_label_map_is_refused(tmp_path: Path) -> None:
    twice = (MANDIBLE, Segment(number=2, name="again", label_value=1))
    for segments, array in ((twice, labels()), ((MANDIBLE,), labels().astype("i2"))):
        with pytest.raises(Invalid):
            write_labels(tmp_path / "seg", array, oblique(), segments=segments)
    beyond = (Segment(number=1, name="x", label_value=256),)
    with pytest.raises(Invalid, match="label value"):
        write_labels(tmp_path / "seg", labels(), oblique(), segments=beyond)
    assert list(tmp_path.iterdir()) == []


def test_a_segmented_mouse_skull(tmp_path: Path, shared_data: Path) -> None:
    require("dciodvfy")
    array, geometry = from_nibabel(shared_data / "specimen-mouse-ct/mouse_CT_atlas/targets/SPRET.EiJ_.nii.gz")
    bone = (array > np.percentile(array, 90)).astype("u1")
    image = write(tmp_path / "image", array, geometry)
    written = write_labels(
        tmp_path / "seg", bone, geometry, segments=(MANDIBLE,), source=SourceImage.of(image, geometry)
    )
    assert_conformant(written.path, geometry)
    assert np.array_equal(stored(written, bone.shape), bone)
