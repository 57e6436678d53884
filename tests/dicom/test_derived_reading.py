"""Segmentations, reports, structure sets and DICOMDIRs as they are read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from vasculum.dicom.read import describe_file
from vasculum.dicom.segments import read_labels
from vasculum.model.codes import Code
from vasculum.model.description import Description
from vasculum.model.kinds import Kind

from .sources import codes, slice_dataset, write


def labels_of(path: Path) -> tuple[Description, NDArray[Any]]:
    described = describe_file(path)
    return described, read_labels(described, lambda _: path)


@pytest.mark.parametrize(
    "name",
    [
        "dcmqi/segmentations/liver.dcm",
        "dcmqi/segmentations/partial_overlaps.dcm",
        "dcmqi/segmentations/24x38x3/seg/label.seg",
        "dcmqi/segmentations/sparse-labelmap-ppv5.dcm",
        "highdicom/seg_image_ct_binary.dcm",
        "highdicom/seg_image_ct_binary_overlap.dcm",
        "pydicom-data/liver_expb.dcm",
    ],
)
def test_segments_equal_those_of_highdicom(shared_data: Path, name: str) -> None:
    """Every frame of every segment lies where highdicom says; no voxel of it is lost to another segment."""
    import highdicom

    path = shared_data / "dicom-seg-sr" / name
    described, labels = labels_of(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path)
        if "expb" in name:  # highdicom reads little endian only
            ds = pydicom.dcmread(shared_data / "dicom-seg-sr/pydicom-data/liver.dcm")
        seg = highdicom.seg.Segmentation.from_dataset(ds)
        assert [s.name for s in described.segments] == [
            seg.get_segment_description(n).segment_label
            for n in seg.segment_numbers
            if n > 0  # 0 is background
        ]
        frames = seg.pixel_array if seg.pixel_array.ndim == 3 else seg.pixel_array[None]
    geometry, voxels = described.geometry, described.voxels
    assert geometry is not None
    assert voxels is not None
    assert labels.shape == voxels.sizes
    stack = labels if voxels.axes == "tkji" else labels[None]
    layer = {s.number: s.layer for s in described.segments}
    inverse = np.linalg.inv(geometry.affine)
    for n, item in enumerate(ds.PerFrameFunctionalGroupsSequence):
        position = item.PlanePositionSequence[0].ImagePositionPatient
        k = round(float((inverse @ [*position, 1])[2]))
        if "SegmentIdentificationSequence" in item:
            number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            np.testing.assert_array_equal(stack[layer[number], k] == number, frames[n] > 0)
        else:
            np.testing.assert_array_equal(stack[0, k], frames[n])
    assert sum(int((frame > 0).sum()) for frame in frames) == int((stack > 0).sum())


def test_overlapping_segments_get_layers(shared_data: Path) -> None:
    described, labels = labels_of(shared_data / "dicom-seg-sr/dcmqi/segmentations/partial_overlaps.dcm")
    assert len(described.segments) == 5
    assert labels.ndim == 4
    assert {s.layer for s in described.segments} == set(range(len(labels)))


def test_segment_words(shared_data: Path) -> None:
    described, _ = labels_of(shared_data / "dicom-seg-sr/dcmqi/segmentations/liver.dcm")
    (liver,) = described.segments
    assert described.kind == Kind.SEGMENTATION
    assert liver.type == Code("10200004", "SCT", "Liver") or liver.type == Code("T-62000", "SRT", "Liver")
    assert liver.category is not None
    assert liver.color == pytest.approx((221 / 255, 130 / 255, 101 / 255), abs=0.01)
    assert any(r.how == "series-uid" and r.role == "source-image" for r in described.references)


@pytest.mark.parametrize("encoding", ["deflate", "j2k", "rle"])
@pytest.mark.parametrize("size", ["liver", "liver_nonbyte_aligned"])
def test_one_bit_frames_in_every_encoding(shared_data: Path, size: str, encoding: str) -> None:
    folder = shared_data / "dicom-seg-sr/pydicom-data"
    _, plain = labels_of(folder / f"{size}.dcm")
    _, packed = labels_of(folder / f"{size}_{encoding}.dcm")
    np.testing.assert_array_equal(plain, packed)
    assert plain.max() == 1


def test_a_whole_labelmap_is_mapped(tmp_path: Path) -> None:
    from vasculum.dicom.seg import write_labelmap
    from vasculum.model.description import Segment
    from vasculum.model.geometry import Geometry

    from .specimens import WHEN, context

    geometry = Geometry.from_affine(np.diag([0.1, 0.1, 0.2, 1.0]), (3, 4, 6))
    labels = np.random.default_rng(2).integers(0, 3, (3, 4, 6)).astype("u1")
    segments = [
        Segment(number=1, name="Ñandú", label_value=1, color=(1.0, 0.5, 0.25), id="Segment_1"),
        Segment(number=2, name="日本", label_value=2),
    ]
    path = tmp_path / "seg.dcm"
    write_labelmap(
        path,
        [labels],
        geometry=geometry,
        dtype=np.dtype("u1"),
        segments=segments,
        context=context(),
        series_uid="2.25.5",
        series_number=3,
        label="Skull",
        sop_instance_uid="2.25.6",
        source=None,
        when=WHEN,
    )
    described, read = labels_of(path)
    assert isinstance(read, np.memmap)
    np.testing.assert_array_equal(read, labels)
    assert described.geometry is not None
    assert described.geometry.same_grid(geometry)
    assert [s.name for s in described.segments] == ["Ñandú", "日本"]
    assert described.segments[0].color == pytest.approx((1.0, 0.5, 0.25), abs=0.01)


def test_fractions_become_labels(tmp_path: Path) -> None:
    values = np.array([[0, 100, 127, 128], [255, 200, 0, 1]], np.uint8)
    ds = slice_dataset(1, values, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG")
    ds.SegmentationType, ds.MaximumFractionalValue, ds.NumberOfFrames = "FRACTIONAL", 255, 1
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "bone"
    ds.SegmentSequence = [segment]
    described, labels = labels_of(write(ds, tmp_path / "a.dcm"))
    assert "fractional-segmentation" in codes(described)
    np.testing.assert_array_equal(labels[0], values >= 128)


def coded(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def content(kind: str, name: tuple[str, str], **elements: Any) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = [coded(*name)]
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def report_with(points: dict[str, tuple[float, float, float]]) -> Dataset:
    """A TID 1500 report with a measurement group for every point, as highdicom and dcmqi write them."""
    groups = []
    for label, position in points.items():
        children = [
            content("TEXT", ("112039", "Tracking Identifier"), TextValue=label),
            content("UIDREF", ("112040", "Tracking Unique Identifier"), UID="2.25.77"),
            content(
                "SCOORD3D",
                ("111030", "Image Region"),
                GraphicType="POINT",
                GraphicData=list(position),
                ReferencedFrameOfReferenceUID="2.25.3",
            ),
        ]
        groups.append(content("CONTAINER", ("125007", "Measurement Group"), ContentSequence=children))
    ds = Dataset()
    ds.preamble = bytes(128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "2.25.8"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "2.25.1", "2.25.4", "SR"
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = [coded("126000", "Imaging Measurement Report")]
    ds.ContentSequence = [content("CONTAINER", ("126010", "Imaging Measurements"), ContentSequence=groups)]
    return ds


def test_landmarks_of_a_report(tmp_path: Path) -> None:
    points = {"nasion": (1.5, -80.25, -100.0), "β-point <x>": (12.25, -7.0, -99.5)}
    described = describe_file(write(report_with(points), tmp_path / "sr.dcm"))
    assert described.kind == Kind.REPORT
    assert {m.label: m.position for m in described.landmarks} == points
    assert all(m.id == "2.25.77" for m in described.landmarks)
    assert ("2.25.3", "frame-of-reference") in [(r.target, r.how) for r in described.references]


def test_reports_refer_to_their_images(shared_data: Path) -> None:
    described = describe_file(shared_data / "dicom-seg-sr/highdicom/sr_document.dcm")
    assert [r.target for r in described.references if r.how == "series-uid"] == [
        "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322"
    ]


def test_structure_set(shared_data: Path) -> None:
    path = shared_data / "dicom-rt/rt-utils/mock_data/rt.dcm"
    described = describe_file(path)
    ds = pydicom.dcmread(path)
    assert described.kind == Kind.SEGMENTATION
    assert [s.name for s in described.segments] == [r.ROIName for r in ds.StructureSetROISequence]
    assert described.voxels is None
    assert "contours" in codes(described)
    assert {r.how for r in described.references} >= {"series-uid", "frame-of-reference"}


def test_directories_name_their_files(shared_data: Path) -> None:
    described = describe_file(shared_data / "dicom-dicomdir/pydicom/DICOMDIR")
    assert described.kind == Kind.DOCUMENT
    assert described.members == ()
    targets = [r.target for r in described.references]
    assert "77654033/CT2/17106" in targets
    assert codes(described) == []
    for name in ("DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-nooffset", "DICOMDIR-reordered"):
        assert describe_file(shared_data / "dicom-dicomdir/pydicom" / name).references


def test_climbing_and_missing_files_of_a_directory(tmp_path: Path) -> None:
    ds = Dataset()
    ds.preamble = bytes(128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    records = []
    for file_id in (["..", "..", "SECRET"], ["C:", "X"], ["DICOM", "IM1"], ["DICOM", "IM2"]):
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ".." is no file ID
            record.ReferencedFileID = file_id
        records.append(record)
    ds.DirectoryRecordSequence = records
    (tmp_path / "DICOM").mkdir()
    (tmp_path / "DICOM" / "IM1").write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write(ds, tmp_path / "DICOMDIR")
    described = describe_file(path)
    assert [r.target for r in described.references] == ["DICOM/IM1", "DICOM/IM2"]
    texts = {f.code: f.text for f in described.findings}
    assert texts["climbing-file-ids"].startswith("2 entries")
    assert texts["missing-files"].startswith("1 of 2")


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        ("104.3", Kind.MESH),
        ("104.1", Kind.DOCUMENT),
        ("66", Kind.DOCUMENT),
        ("66.1", Kind.TRANSFORM),
        ("11.1", Kind.REPORT),
    ],
)
def test_kinds_by_sop_class(tmp_path: Path, sop_class: str, kind: Kind) -> None:
    ds = report_with({})
    ds.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.{sop_class}"
    assert describe_file(write(ds, tmp_path / "a.dcm")).kind == kind
