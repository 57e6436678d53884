"""Other people's readers agree with what is in a bundle."""

from __future__ import annotations

import gc
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundle.conftest import Packed
from tests.bundle.specimens import SUBJECT
from tests.interop import require
from vasculum.bundle import open_bundle

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def unpacked(zoo: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The members as files."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(zoo.path) as archive:
        archive.extractall(folder)
    return folder


def _headers(folder: Path, suffix: str) -> dict[str, Path]:
    return {path.name.removesuffix(suffix): path for path in folder.glob(f"*/Data/*{suffix}")}


@pytest.mark.parametrize("label", ["head", "skull", "chest", "oblique", "left float", "odd"])
def test_simpleitk_reads_the_headers(zoo: Packed, unpacked: Path, label: str) -> None:
    sitk = require("SimpleITK")
    image = sitk.ReadImage(str(_headers(unpacked, ".nhdr")[label]))
    with open_bundle(zoo.path) as bundle:
        volume = bundle.volumes[label]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.array)
        assert volume.geometry
        direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
        np.testing.assert_allclose(direction, volume.geometry.affine[:3, :3], atol=1e-9)
        np.testing.assert_allclose(image.GetOrigin(), volume.geometry.origin, atol=1e-9)


def test_pynrrd_reads_the_headers(zoo: Packed, unpacked: Path) -> None:
    nrrd = require("nrrd")
    with open_bundle(zoo.path) as bundle:
        for label, path in _headers(unpacked, ".nhdr").items():
            array, header = nrrd.read(str(path), index_order="C")
            known: dict[str, Any] = {**bundle.volumes, **bundle.segmentations}
            part = known[label.removesuffix(".seg")]
            np.testing.assert_array_equal(array, part.array)
            assert header["vasculum.series"] == part.series


def test_slicerio_reads_the_segments(zoo: Packed, unpacked: Path) -> None:
    slicerio = require("slicerio")
    read = slicerio.read_segmentation(str(_headers(unpacked, ".seg.nhdr")["one layer"]))
    assert [s["name"] for s in read["segments"]] == [s.name for s in zoo.items["one layer"].series.segments]


def test_pydicom_reads_every_image_and_its_record(zoo: Packed, unpacked: Path) -> None:
    pydicom = require("pydicom")
    from vasculum.dicom.subject import read_record

    images = sorted((unpacked / "DICOM").iterdir())
    assert len(images) == 7
    for path in images:
        dataset = pydicom.dcmread(path)
        record = read_record(dataset)
        assert record["subject"]["metadata"] == SUBJECT.metadata
        assert record["source"]["id"] in {item.series.id for item in zoo.items.values()}
    head = pydicom.dcmread(unpacked / "DICOM/IM000001")
    item = zoo.items["head"]
    assert item.voxels
    np.testing.assert_array_equal(head.pixel_array, item.voxels())


def test_the_dicomdir_is_a_file_set(unpacked: Path) -> None:
    require("pydicom")
    from pydicom.fileset import FileSet

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # pydicom warns of its directory records, and of a folder that it leaves behind
        found = FileSet(unpacked / "DICOMDIR")
        names = {Path(str(i.path)).name for i in found}
        del found
        gc.collect()
    assert names == {p.name for p in (unpacked / "DICOM").iterdir()}


def test_dciodvfy_finds_no_error_in_any_member(unpacked: Path) -> None:
    dciodvfy = require("dciodvfy")
    for path in [*sorted((unpacked / "DICOM").iterdir()), unpacked / "DICOMDIR"]:
        told = subprocess.run([dciodvfy, "-new", str(path)], capture_output=True, text=True, check=False).stderr
        assert [line for line in told.splitlines() if line.startswith("Error")] == [], path.name


def test_dcentvfy_finds_the_objects_consistent(unpacked: Path) -> None:
    dcentvfy = require("dcentvfy")
    files = [str(path) for path in sorted((unpacked / "DICOM").iterdir())]
    told = subprocess.run([dcentvfy, *files], capture_output=True, text=True, check=False)
    errors = [line for line in (told.stderr + told.stdout).splitlines() if "Error" in line]
    # A converted image names the slices that it was made of (Conversion Source Attributes), which are not here.
    assert [line for line in errors if "Missing SOPInstanceUID that was referenced" not in line] == []


def test_rocrate_reads_the_crate(zoo: Packed, unpacked: Path) -> None:
    require("rocrate")
    from rocrate.rocrate import ROCrate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crate = ROCrate(unpacked)
    files = {entity.id: entity for entity in crate.get_entities() if entity.type == "File"}
    assert {entity["name"] for entity in files.values()} == {
        m.name for m in zoo.report.members if m.name != "ro-crate-metadata.json"
    }
    by_name = {m.name: m for m in zoo.report.members}
    assert all(e["sha256"] == by_name[e["name"]].sha256 for e in files.values())
    actions = crate.get_by_type("CreateAction")
    assert {a["name"] for a in actions} == {"pack", "import"}
    assert "creativecommons" in str(crate.root_dataset["license"])
    assert any(
        p["propertyID"].endswith("catalogNumber") for p in crate.get_by_type("PropertyValue") if "propertyID" in p
    )
