"""Whatever was imported can be packed and exported: every kind of data, the ill-formed included."""

from __future__ import annotations

import hashlib
import random
import subprocess
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import slicer_session
from tests.interop import require
from tests.stories.conftest import Everything
from vasculum import Repository, check_bundle, inspect, open_bundle
from vasculum.model.kinds import Severity

pytestmark = pytest.mark.interop

HOLDING = {
    "classic series of one UID in several stacks": "98890234",
    "instances that came twice with other bytes": "4MR1",
    "a frame of reference with an impossible UID": "999999",
    "tilted, oblique and multi-frame CT and MR": "dicom2nifti",
    "slices and series of a time course": "DEV",
    "an overlapping segmentation": "99000",
    "a structure set": "PHANTOM_EXAMPLE",
    "lossy, lossless and broken JPEG": "8NM1",
    "colour": "ID1",
    "no pixels at all": "12345678",
    "a workbook": "single_subject_sheet",
    "meshes of every format": "fuze",
    "layered segmentations": "slicerio",
    "vectors, as NRRD": "Slicer",
    "MGH, MINC, AFNI, PAR/REC": "nibabel",
    "stacks without a voxel size": "dxchange",
    "an X-ray microscope": "test_chip00",
    "scenes": "Core",
    "a mouse skull with landmarks": "C57BL6_J",
}
"""What is packed, by what it stands for → the label of its subject."""


NOT_LARGE = "NOT subject:human_trunk NOT subject:afids-analysis"
"""Leaves out two subjects of 200 MB."""


@pytest.fixture(scope="module")
def bundles(everything: Everything, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pack each of them."""
    import vasculum

    folder = tmp_path_factory.mktemp("bundles")
    packed = {}
    with vasculum.open_repository(everything.root) as repository:
        ids = {subject.label: subject.id for subject in repository.find(level="subject")}
        for number, label in enumerate(HOLDING.values()):
            packed[label] = folder / f"{number:02}.mrb"
            report = repository.pack(ids[label], packed[label])
            for left in report.left_out:
                assert len(left.reason.split()) > 4
    return packed


@pytest.mark.parametrize("label", HOLDING.values(), ids=HOLDING)
def test_what_was_packed_is_sound_and_complete(bundles: dict[str, Path], repository: Repository, label: str) -> None:
    path = bundles[label]
    assert [f for f in check_bundle(path) if f.severity is not Severity.NOTE] == []
    assert inspect(path).container == "bundle"
    with open_bundle(path) as bundle:
        assert bundle.metadata["subject"]["label"] == label
        shown = repository.show(bundle.metadata["subject"]["id"])
        series = {one["id"] for study in shown["studies"] for one in study["series"]}
        assert {s["id"] for s in bundle.metadata["series"]} == series
        parts = {**bundle.volumes, **bundle.segmentations}
        for part in parts.values():
            ours = repository.get(part.series).voxels()  # type: ignore[union-attr]
            assert part.array.size >= ours.size / 8
        in_file = {member.series for member in inspect(path).members if member.series}
        assert in_file == series, "every series has a member of its own"


@pytest.mark.parametrize("label", HOLDING.values(), ids=HOLDING)
def test_its_dicom_objects_are_valid(bundles: dict[str, Path], label: str, tmp_path: Path) -> None:
    dciodvfy, dcentvfy, pydicom = require("dciodvfy"), require("dcentvfy"), require("pydicom")
    with zipfile.ZipFile(bundles[label]) as archive:
        names = [name for name in archive.namelist() if name.startswith("DICOM")]
        archive.extractall(tmp_path, names)
    for name in names:
        told = subprocess.run([dciodvfy, "-new", str(tmp_path / name)], capture_output=True, check=False).stderr
        assert b"Error" not in told, (name, told)
    images = sorted((tmp_path / "DICOM").iterdir()) if names else []
    assert len({pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID for p in images}) == len(images)
    done = subprocess.run([dcentvfy, *map(str, images)], capture_output=True, check=False) if images else None
    assert done is None or b"Error" not in done.stdout + done.stderr, done


@pytest.mark.parametrize("label", [*random.Random(7).sample(sorted(HOLDING.values()), 4), "fuze"])
def test_slicer_opens_it_without_a_complaint(bundles: dict[str, Path], label: str, tmp_path: Path) -> None:
    require("slicer", "Slicer's MRML core")
    scene = slicer_session.load(bundles[label], tmp_path / "slicer")
    assert scene["good"] and scene["messages"].strip() == ""
    with open_bundle(bundles[label]) as bundle:
        plain = {v.series: v for v in bundle.volumes.values() if v.array.ndim < 5}
        for volume in scene["volumes"]:
            ours = plain.get(volume["attributes"].get("vasculum.series", ""))
            if ours is not None and ours.array.shape == volume["array"].shape:
                np.testing.assert_array_equal(volume["array"], ours.array)
        assert sorted(m["name"] for m in scene["models"]) == sorted(m.name for m in bundle.meshes.values())
        assert all("points" in model for model in scene["models"])
        segments = sorted(s["name"] for g in scene["segmentations"] for s in g["segments"])
        assert segments == sorted(s.name for g in bundle.segmentations.values() for s in g.segments)


def test_originals_come_out_as_they_came(repository: Repository, everything: Everything, tmp_path: Path) -> None:
    report = repository.export(NOT_LARGE, tmp_path, form="original")
    assert report.refused == ()
    written = Counter(_sha256(tmp_path / name) for name in report.written)
    files = [f for s in repository.find(NOT_LARGE) for f in repository.catalog.series(s.id).files]
    assert written == Counter(f.blob.sha256 for f in files)
    sources = {_sha256(Path(f.source)) for f in files if Path(f.source).is_relative_to(everything.data)
               and Path(f.source).exists()}  # fmt: skip
    assert sources <= set(written)
    assert len(sources) > 1000


@pytest.mark.parametrize(("form", "ending"), [("nrrd", ".nrrd"), ("nifti", ".nii.gz")])
def test_volumes_come_out_in_other_forms_or_say_why_not(
    repository: Repository, tmp_path: Path, form: str, ending: str
) -> None:
    report = repository.export(f"(kind:volume OR kind:image OR kind:segmentation) {NOT_LARGE}", tmp_path, form=form)
    reasons = Counter(_kind_of(reason) for _, reason in report.refused)
    unknown = [reason for _, reason in report.refused if _kind_of(reason) == "?"]
    assert unknown == []
    assert len(report.written) == len(set(report.written)) > 220
    assert reasons["picture"] == 0 or form == "nifti"
    for name in random.Random(3).sample([n for n in sorted(report.written) if n.endswith(ending)], 40):
        _readable(tmp_path / name)


REASONS = {
    "picture": "is a picture without a place in space",
    "size": "has no voxel size",
    "irregular": "is not one regular grid",
    "overlap": "overlap, and NIfTI has one label a voxel",
    "damaged": "cut off",
    "frame": "not of the size that the header says",
}


def _kind_of(reason: str) -> str:
    return next((kind for kind, words in REASONS.items() if words in reason), "?")


def _readable(path: Path) -> Any:
    if path.name.endswith(".nrrd"):
        return require("SimpleITK").ReadImage(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asanyarray(require("nibabel").load(path).dataobj).shape


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
