"""Stories S2 and S3: folders and a table in, one file a subject out; Slicer, SimpleITK, pynrrd, pydicom and dicom3tools agree."""

from __future__ import annotations

import csv
import gc
import json
import shutil
import subprocess
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from tests import slicer_session
from tests.bundle.specimens import oblique
from tests.command import Command
from tests.interop import require
from tests.stories.conftest import Run, start
from tests.stories.oracles import RAS_TO_LPS, Seen, nibabel, simpleitk, turned

pytestmark = pytest.mark.interop

SEGMENTS = {"mandible": 1, "cranium": 2}
POINTS = {"tip of the nose": (1.25, -3.5, 7.0625), "bregma": (-20.5, 12.1, 3.3333333333333335)}
"""LPS millimetres."""
METADATA = {
    "CT": {"species": "Homo sapiens", "accession": "HOSP:0017"},
    "C57BL6_J": {"species": "Mus musculus", "strain": "C57BL/6J", "accession": "JAX:000664"},
    "AMNH 1234": {"species": "Lagostomus maximus", "accession": "AMNH:Mamm:1234"},
}


@dataclass(frozen=True)
class Story:
    """A bundle, what came out of it, and what other readers make of the files that went in."""

    bundle: Path
    folder: Path
    """The members as files."""
    scene: Mapping[str, Any]
    """As Slicer sees it."""
    truth: Mapping[str, Seen]
    """Volumes by label."""
    metadata: Mapping[str, str]
    segments: Mapping[str, Any] = field(default_factory=dict)
    """Voxels (k, j, i) by name."""
    points: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def imported(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, str]]:
    """Import three subjects: the folder, the repository, and the label of each subject."""
    folder = tmp_path_factory.mktemp("scans")
    atlas = shared_data / "specimen-mouse-ct/mouse_CT_atlas"
    shutil.copytree(shared_data / "dicom-ct/Slicer/CTHeadAxialDicom", folder / "CT")
    (folder / "mouse").mkdir()
    shutil.copy(atlas / "targets/C57BL6_J_.nii.gz", folder / "mouse")
    shutil.copy(atlas / "target_LMs/C57BL6_J_.mrk.json", folder / "mouse")
    _make_oblique(folder / "AMNH 1234", shared_data)
    head = str(require("pydicom").dcmread(next((folder / "CT").iterdir())).PatientID)
    labels = {"CT": head, "C57BL6_J": "C57BL6_J", "AMNH 1234": "AMNH 1234"}
    table = folder.parent / "specimens.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ("subject", "species", "strain", "accession"))
        writer.writeheader()
        writer.writerows({"subject": labels[key], **own} for key, own in METADATA.items())
    repository = folder.parent / "repository of three"
    called = start("import", folder, "--metadata", table, "--repo", repository, "--json")
    assert called.code == 0, called.err + called.out[-2000:]
    assert {s["label"] for s in called.json["subjects"]} == set(labels.values())
    return folder, repository, labels


@pytest.fixture(scope="module", params=list(METADATA))
def story(
    request: pytest.FixtureRequest,
    imported: tuple[Path, Path, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Story:
    """Pack one of them, unzip it, open it in Slicer."""
    require("slicer", "Slicer's MRML core")
    folder, repository, labels = imported
    key = request.param
    target = tmp_path_factory.mktemp("bundle") / f"{key}.mrb"
    packed = start("pack", labels[key], "-o", target, "--repo", repository, "--json")
    assert packed.code == 0, packed.err
    assert packed.json["left_out"] == []
    unpacked = target.parent / "unpacked"
    with zipfile.ZipFile(target) as archive:
        archive.extractall(unpacked)
    scene = slicer_session.load(target, target.parent / "slicer")
    return Story(target, unpacked, scene, metadata=METADATA[key], **_truth(key, folder))


def _make_oblique(folder: Path, shared_data: Path) -> None:
    """Write a specimen as SimpleITK, pynrrd and Slicer write it: turned by 20° and 35°, voxels of 1 × 2 × 2.5 mm."""
    sitk, nrrd = require("SimpleITK"), require("nrrd")
    folder.mkdir()
    affine = oblique()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    voxels = np.random.default_rng(11).integers(-1000, 3000, (12, 22, 31), np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(folder / "skull.nrrd"))
    labels = np.zeros((31, 22, 12), np.uint8)
    labels[3:9, 4:20, 2:5] = SEGMENTS["mandible"]
    labels[3:30, 4:20, 6:11] = SEGMENTS["cranium"]
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": affine[:3, :3].T,
        "space origin": affine[:3, 3],
        "encoding": "gzip",
    }
    for number, (name, value) in enumerate(SEGMENTS.items()):
        own = {"ID": f"S_{number}", "Name": name, "LabelValue": value, "Layer": 0, "Color": f"0.{value} 0.5 0.25"}
        header |= {f"Segment{number}_{k}": str(v) for k, v in own.items()}
    nrrd.write(str(folder / "skull.seg.nrrd"), labels, header)
    points = [
        {"id": str(n), "label": name, "position": list(position), "positionStatus": "defined"}
        for n, (name, position) in enumerate(POINTS.items(), start=1)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    (folder / "skull.mrk.json").write_text(json.dumps({"markups": [markup]}), "utf-8")
    shutil.copy(shared_data / "mesh/trimesh/featuretype.STL", folder / "jaw.stl")
    shutil.copy(shared_data / "mesh/trimesh/bunny.ply", folder / "tooth.ply")
    (folder / "teeth.csv").write_text("tooth,length\nM1,4.25\nM2,3.5\n", "utf-8")


def _truth(key: str, folder: Path) -> dict[str, Any]:
    """What other readers make of the source files."""
    if key == "CT":
        files = sorted((folder / "CT").iterdir(), key=_height)
        return {"truth": {"": simpleitk(files)}}
    if key == "C57BL6_J":
        markup = json.loads((folder / "mouse/C57BL6_J_.mrk.json").read_text("utf-8"))["markups"][0]
        sign = (-1, -1, 1) if markup["coordinateSystem"] == "RAS" else (1, 1, 1)
        points = {p["label"]: tuple(np.multiply(p["position"], sign)) for p in markup["controlPoints"]}
        return {"truth": {"": nibabel(folder / "mouse/C57BL6_J_.nii.gz")}, "points": points}
    labels = simpleitk([folder / "AMNH 1234/skull.seg.nrrd"]).array
    segments = {name: labels == value for name, value in SEGMENTS.items()}
    return {"truth": {"": simpleitk([folder / "AMNH 1234/skull.nrrd"])}, "segments": segments, "points": POINTS}


def _height(path: Path) -> float:
    return float(require("pydicom").dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])


# --- Slicer ----------------------------------------------------------------------------------------------------------


def test_slicer_shows_the_voxels_in_their_place(story: Story) -> None:
    assert story.scene["good"] and story.scene["messages"].strip() == ""
    (volume,) = story.scene["volumes"]
    _same(Seen(RAS_TO_LPS @ np.array(volume["ijk_to_ras"]), volume["array"]), story.truth[""])


def test_slicer_shows_segments_and_landmarks(story: Story) -> None:
    found = {s["name"]: s for g in story.scene["segmentations"] for s in g["segments"]}
    assert list(found) == list(story.segments)
    affine = story.truth[""].affine
    for name, voxels in story.segments.items():
        first = np.array(found[name]["extent"][::2])
        theirs = np.argwhere(found[name]["array"])[:, ::-1] + first
        places = theirs @ (RAS_TO_LPS @ np.array(found[name]["ijk_to_ras"]))[:3, :3].T
        places += (RAS_TO_LPS @ np.array(found[name]["ijk_to_ras"]))[:3, 3]
        ours = np.argwhere(voxels)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
        np.testing.assert_allclose(_sorted(places), _sorted(ours), atol=1e-4)
    points = {
        p["label"]: np.multiply(p["position"], (-1, -1, 1)) for m in story.scene["markups"] for p in m["points"]
    }
    assert list(points) == list(story.points)
    for label, position in story.points.items():
        np.testing.assert_allclose(points[label], position, rtol=0, atol=1e-12)


def test_slicer_shows_meshes_and_tables(story: Story) -> None:
    if story.metadata["accession"] != "AMNH:Mamm:1234":
        assert (story.scene["models"], story.scene["tables"]) == ([], [])
        return
    assert {m["name"]: m["points"] > 100 for m in story.scene["models"]} == {"jaw": True, "tooth": True}
    (table,) = story.scene["tables"]
    assert table["columns"] == ["tooth", "length"]
    assert table["cells"] == [["M1", "4.25"], ["M2", "3.5"]]


# --- other readers ---------------------------------------------------------------------------------------------------


def test_simpleitk_and_pynrrd_read_the_headers(story: Story) -> None:
    headers = list(story.folder.glob("*/Data/*.nhdr"))
    assert len(headers) == 1 + bool(story.segments)
    for path in headers:
        seen = simpleitk([path])
        array, header = require("nrrd").read(str(path), index_order="C")
        np.testing.assert_array_equal(array, seen.array)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = header["space directions"].T, header["space origin"]
        np.testing.assert_allclose(affine, seen.affine, atol=1e-9)
        if path.name.endswith(".seg.nhdr"):
            for number, (name, voxels) in enumerate(story.segments.items()):
                assert header[f"Segment{number}_Name"] == name
                np.testing.assert_array_equal(array == int(header[f"Segment{number}_LabelValue"]), voxels)
        else:
            _same(seen, story.truth[""])


def test_pydicom_reads_every_object_and_the_record_is_in_each(story: Story) -> None:
    pydicom = require("pydicom")
    from vasculum.dicom.subject import read_record

    for path in sorted((story.folder / "DICOM").iterdir()):
        dataset = pydicom.dcmread(path)
        assert dataset.pixel_array.size
        metadata = read_record(dataset)["subject"]["metadata"]
        assert {key: metadata[key] for key in story.metadata} == story.metadata


def test_dicom_validators_find_no_error(story: Story) -> None:
    dciodvfy, dcentvfy = require("dciodvfy"), require("dcentvfy")
    images = sorted((story.folder / "DICOM").iterdir())
    for path in [*images, story.folder / "DICOMDIR"]:
        told = subprocess.run([dciodvfy, "-new", str(path)], capture_output=True, check=False).stderr
        assert b"Error" not in told, (path.name, told)
    done = subprocess.run([dcentvfy, *map(str, images)], capture_output=True, check=False)
    assert b"Error" not in done.stdout + done.stderr, done.stdout + done.stderr


def test_the_dicomdir_lists_exactly_the_dicom_files(story: Story) -> None:
    require("pydicom")
    from pydicom.fileset import FileSet

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom leaves a temporary folder to the collector
        found = FileSet(story.folder / "DICOMDIR")
        listed = {Path(str(instance.path)).resolve() for instance in found}
        del found
        gc.collect()
    assert listed == {path.resolve() for path in (story.folder / "DICOM").iterdir()}


# --- the file itself -------------------------------------------------------------------------------------------------


def test_names_stay_inside_and_there_is_one_scene(story: Story) -> None:
    with zipfile.ZipFile(story.bundle) as archive:
        names = archive.namelist()
    assert len(names) == len({name.casefold() for name in names})
    assert sum(name.endswith(".mrml") for name in names) == 1
    for name in names:
        assert not PurePosixPath(name).is_absolute() and "\\" not in name and ":" not in name
        assert ".." not in PurePosixPath(name).parts


def test_check_and_inspect_know_every_member(story: Story, run: Run) -> None:
    assert run("check", story.bundle).code == 0
    inspected = run("inspect", "--json", story.bundle)
    with zipfile.ZipFile(story.bundle) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    assert inspected.json["container"] == "bundle"
    assert {member["name"]: member["size"] for member in inspected.json["members"]} == sizes
    assert all(member["kind"] and member["what"] for member in inspected.json["members"])
    assert inspected.json["metadata"]["subject"]["metadata"].items() >= story.metadata.items()


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_changed_byte_is_found(story: Story, command: Command, tmp_path: Path, share: float) -> None:
    with zipfile.ZipFile(story.bundle) as archive:
        member = archive.getinfo("DICOM/IM000001")
    content = bytearray(story.bundle.read_bytes())
    content[member.header_offset + 4096 + int(share * (member.file_size - 4096))] ^= 0x40
    changed = tmp_path / "changed.mrb"
    changed.write_bytes(content)
    called = command("check", "--json", changed)
    assert (called.code, called.json["sound"]) == (1, False)
    assert any("IM000001" in finding["text"] for finding in called.json["findings"])


def _same(seen: Seen, truth: Seen) -> None:
    """Compare voxels and places; one may count slices from the other end."""
    seen = turned(seen, truth.affine)
    np.testing.assert_array_equal(seen.array, truth.array)
    np.testing.assert_allclose(seen.affine, truth.affine, atol=1e-6 * max(1.0, float(np.abs(truth.affine).max())))


def _sorted(points: np.ndarray) -> np.ndarray:
    rounded = np.round(points, 3)
    return points[np.lexsort(rounded.T)]
