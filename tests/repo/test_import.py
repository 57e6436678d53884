"""Importing: plan, execute, again, after a kill, with everything that goes wrong."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.repo.states import state

import vasculum
from vasculum.formats import nrrd, segnrrd
from vasculum.model.description import Segment
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind
from vasculum.model.plans import Outcome
from vasculum.repo.repository import Repository

S6 = ["BKS.Cg-Dock7m +/+ Leprdb/J", "UWBM:Mamm:0082411", "Ñandú, 日本"]


def outcomes(report: object) -> Counter[str]:
    return Counter(str(f.outcome) for f in report.files)  # type: ignore[attr-defined]


def bring(repository: Repository, *paths: Path, **options: object) -> object:
    return repository.execute(repository.plan_import(list(paths), **options))  # type: ignore[arg-type]


def test_a_plan_changes_nothing_and_names_every_file(repository: Repository, specimen: Path, tmp_path: Path) -> None:
    before = sorted(p for p in repository.root.rglob("*") if "-wal" not in p.name and "-shm" not in p.name)
    plan = repository.plan_import([specimen], metadata=tmp_path / "about.csv")
    assert outcomes(plan) == {"imported": 4}
    assert {(s.label, s.why) for s in plan.subjects} == {
        ("UWBM:Mamm:0082411", "the table about.csv has a subject of this name")
    }
    assert all(s.why for s in plan.series)
    assert repository.count() == 0
    after = sorted(p for p in repository.root.rglob("*") if "-wal" not in p.name and "-shm" not in p.name)
    assert after == before


def test_what_was_imported_is_found_with_exact_strings(
    repository: Repository, specimen: Path, tmp_path: Path
) -> None:
    bring(repository, specimen, metadata=tmp_path / "about.csv")
    (subject,) = repository.find("", level="subject")
    assert [subject["strain"], subject["accession"], subject["locality"]] == S6
    assert subject.label == "UWBM:Mamm:0082411"
    for query in ('species:"Mus musculus"', 'strain:"BKS.Cg-Dock7m +/+ Leprdb/J"', "accession:UWBM:Mamm:0082411"):
        assert repository.count(query) == 4, query
    (volume,) = repository.find('kind:volume has:segmentation("mandible")')
    (segmentation,) = repository.find("kind:segmentation")
    assert segmentation.record.id in {s.id for s in repository.find('derived-from:"UWBM:Mamm:0082411"')}
    assert repository.catalog.series(segmentation.id).sources == (volume.id,)
    assert volume.geometry is not None
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], [-10, 5, 30])
    assert volume.volume().array.shape == (7, 8, 9)
    np.testing.assert_array_equal(segmentation.mask("mandible"), volume.voxels() > 500)
    (landmarks,) = repository.find('landmarks:1 "bregma"')
    assert landmarks.landmarks[0].label == "bregma Ñ"
    assert landmarks.landmarks[0].position == (1.25, -2.5, 3.125)


def test_notebooks_show_tables_and_slices(repository: Repository, specimen: Path) -> None:
    bring(repository, specimen)
    found = repository.find("")
    assert found._repr_html_().count("<tr>") == 5
    (volume,) = repository.find("kind:volume")
    page = volume._repr_html_()
    assert "7 × 8 × 9" in page
    assert "data:image/png;base64," in page


def test_what_was_made_from_a_dicom_series_joins_its_study(
    repository: Repository, shared_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "case"
    shutil.copytree(shared_data / "dicom-ct/Slicer/CTHeadAxialDicom", folder / "DICOM")
    (planned,) = repository.plan_import([folder]).series
    assert planned.description.geometry is not None
    mask = np.zeros(planned.description.geometry.shape, np.uint8)
    segment = Segment(number=1, name="bone", label_value=1)
    segnrrd.write(folder / "bone.seg.nrrd", mask, planned.description.geometry, (segment,))
    bring(repository, folder)
    assert repository.count("", level="study") == 1
    (segmentation,) = repository.find("kind:segmentation")
    (volume,) = repository.find("kind:volume")
    assert segmentation.subject == volume.subject
    assert repository.catalog.series(segmentation.id).sources == (volume.id,)


def test_a_second_import_changes_nothing(repository: Repository, specimen: Path) -> None:
    bring(repository, specimen)
    before, audit = state(repository), len(repository.catalog.audit())
    again = bring(repository, specimen)
    assert outcomes(again) == {"known": 4}
    moved = specimen.parent / "moved"
    shutil.copytree(specimen, moved)  # the same bytes from another place
    assert outcomes(bring(repository, moved)) == {"known": 4}
    assert state(repository) == before
    assert len(repository.catalog.audit()) == audit
    assert repository.check().sound


def test_copies_within_one_import_are_kept_once(repository: Repository, specimen: Path) -> None:
    shutil.copy(specimen / "UWBM Mamm 0082411" / "CT.nrrd", specimen / "UWBM Mamm 0082411" / "CT copy.nrrd")
    report = bring(repository, specimen)
    assert outcomes(report) == {"imported": 4, "known": 1}
    assert repository.count("kind:volume") == 1


def test_one_volume_in_two_formats_is_said_to_be_one(repository: Repository, specimen: Path) -> None:
    from vasculum.formats import nifti

    path = specimen / "UWBM Mamm 0082411" / "CT.nrrd"
    description = nrrd.FORMATS[-1].describe(path)
    array = nrrd.FORMATS[-1].read_voxels(description, lambda _: path)
    assert description.geometry is not None
    nifti.write(path.with_name("CT_resaved.nii.gz"), array, description.geometry)
    plan = repository.plan_import([specimen])
    twins = [s for s in plan.series if s.duplicate_of]
    assert len(twins) == 1
    assert "same-voxels" in {f.code for f in twins[0].findings}


def test_bad_files_are_refused_one_by_one(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.nrrd").touch()
    (folder / "lies.nhdr").write_text(
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 4\nencoding: raw\ndata file: ../../../etc/passwd\n\n"
    )
    (folder / "torn.mrb").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    with zipfile.ZipFile(folder / "slip.mrb", "w") as bundle:
        bundle.writestr("s/s.mrml", "<MRML/>")
        bundle.writestr("../../evil.txt", "x")
    (folder / "laughs.mrml").write_text(
        '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><MRML>&b;</MRML>'
    )
    nrrd.write(
        folder / "good Ñ & 100%;.nrrd", np.ones((2, 3, 4), np.int16), Geometry.from_affine(np.eye(4), (2, 3, 4))
    )
    report = bring(repository, folder)
    by_name = {Path(f.path).name: f for f in report.files}  # type: ignore[attr-defined]
    assert by_name["good Ñ & 100%;.nrrd"].outcome is Outcome.IMPORTED
    for name in ("empty.nrrd", "lies.nhdr", "torn.mrb", "laughs.mrml"):
        assert by_name[name].outcome is Outcome.REFUSED, name
        assert by_name[name].reason
    assert not (tmp_path.parent / "evil.txt").exists()
    assert repository.check().sound


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not Unicode")
def test_a_name_that_is_not_utf8_comes_back_exactly(repository: Repository, tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xe4\xff.nrrd")
    folder = tmp_path / "x"
    folder.mkdir()
    nrrd.write(folder / "n.nrrd", np.ones((2, 3, 4), np.int16), Geometry.from_affine(np.eye(4), (2, 3, 4)))
    (folder / "n.nrrd").rename(folder / name)
    bring(repository, folder)
    (series,) = repository.find("kind:volume")
    (file,) = repository.catalog.series(series.id).files
    assert file.name == name
    assert os.fsencode(file.source).endswith(b"bad\xe4\xff.nrrd")


def test_members_of_an_mrb_are_read_and_not_stored_twice(
    repository: Repository, specimen: Path, tmp_path: Path
) -> None:
    inside = specimen / "UWBM Mamm 0082411"
    scene = (
        '<MRML><NRRDStorage id="s" fileName="Data/CT.nrrd"/><Volume id="v" name="CT" references="storage:s;"/></MRML>'
    )
    bundle = tmp_path / "AMNH77.mrb"
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("AMNH77/AMNH77.mrml", scene)
        z.write(inside / "CT.nrrd", "AMNH77/Data/CT.nrrd")
        z.write(inside / "Skull.seg.nrrd", "AMNH77/Data/Skull.seg.nrrd")
    bring(repository, bundle)
    assert {s.subject.label for s in repository.find("")} == {"AMNH77"}
    (volume,) = repository.find("kind:volume")
    assert volume.voxels().shape == (7, 8, 9)
    stored = sum(p.stat().st_size for p in (repository.root / "objects").rglob("*") if p.is_file())
    assert stored == bundle.stat().st_size
    assert repository.check().sound


def test_a_bundle_of_ours_is_read_again(repository: Repository, specimen: Path, tmp_path: Path) -> None:
    bring(repository, specimen, metadata=tmp_path / "about.csv")
    repository.pack("UWBM:Mamm:0082411", tmp_path / "out.mrb")
    plan = repository.plan_import([tmp_path / "out.mrb"])
    refused = [f for f in plan.files if f.outcome is Outcome.REFUSED]
    assert not refused
    assert {s.label for s in plan.subjects} == {"UWBM:Mamm:0082411"}
    volumes = [s for s in plan.series if s.description.kind is Kind.VOLUME]
    assert volumes
    assert all("same-voxels" in {f.code for f in s.findings} for s in volumes)


def test_a_grid_that_dicom_cannot_say_is_packed_as_nrrd(repository: Repository, tmp_path: Path) -> None:
    skewed = np.array([[0.9, 0.1, 0, -10], [-0.1, 0.8, 0.2, 5], [0, -0.2, 2, 30], [0, 0, 0, 1.0]])
    geometry = Geometry.from_affine(skewed, (7, 8, 9))
    folder = tmp_path / "Skewed7"
    folder.mkdir()
    voxels = np.arange(504, dtype=np.int16).reshape(7, 8, 9)
    nrrd.write(folder / "CT.nrrd", voxels, geometry)
    segnrrd.write(
        folder / "x.seg.nrrd", (voxels > 99).astype(np.uint8), geometry, (Segment(number=1, name="a", label_value=1),)
    )
    bring(repository, folder)
    repository.pack("Skewed7", tmp_path / "out.mrb")
    with vasculum.open_bundle(tmp_path / "out.mrb") as bundle:
        np.testing.assert_array_equal(bundle.volumes["CT"].array, voxels)
        np.testing.assert_allclose(bundle.volumes["CT"].geometry.affine, skewed)
        np.testing.assert_array_equal(bundle.segmentations["x"].mask("a"), voxels > 99)


def test_files_left_in_place_are_watched(repository: Repository, specimen: Path) -> None:
    plan = repository.plan_import([specimen], in_place=True)
    repository.execute(plan, in_place=True)
    assert not any(p.is_file() for p in (repository.root / "objects").rglob("*"))
    (volume,) = repository.find("kind:volume")
    assert volume.voxels().shape == (7, 8, 9)
    path = specimen / "UWBM Mamm 0082411" / "CT.nrrd"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(vasculum.errors.Integrity):
        repository.find("kind:volume")[0].voxels()
    assert [d.series for d in repository.check().damaged] == [(volume.id,)]


def test_a_file_that_changes_after_the_plan_is_refused(repository: Repository, specimen: Path) -> None:
    plan = repository.plan_import([specimen])
    (specimen / "UWBM Mamm 0082411" / "CT.nrrd").write_bytes(b"NRRD0004\n other")
    report = repository.execute(plan)
    refused = [f for f in report.files if f.outcome is Outcome.REFUSED]
    assert [Path(f.path).name for f in refused] == ["CT.nrrd"]
    assert "changed" in refused[0].reason
    assert outcomes(report)["imported"] == 3


def test_a_stack_asks_for_its_voxel_size_and_takes_it(repository: Repository, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "Bat 7" / "slices"
    folder.mkdir(parents=True)
    for n in range(5):
        Image.fromarray(np.full((6, 8), n, np.uint8)).save(folder / f"slice_{n:04d}.png")
    asked = repository.plan_import([tmp_path / "Bat 7"])
    assert [f.code for s in asked.series for f in s.findings if f.code == "needs-voxel-size"]
    told = repository.plan_import([tmp_path / "Bat 7"], voxel_size=(0.05, 0.05, 0.1))
    (planned,) = told.series
    assert planned.description.geometry is not None
    assert planned.description.geometry.spacing == pytest.approx((0.05, 0.05, 0.1))
    repository.execute(asked)
    (series,) = repository.find("kind:volume")
    assert series.geometry is None
    repository.set(series.id, {"voxel-size": (0.05, 0.05, 0.1)})
    assert repository.find("voxel<0.2")[0].geometry.shape == (5, 6, 8)


def test_an_empty_folder_is_said_to_be_empty(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plan = repository.plan_import([tmp_path / "empty"])
    assert [f.code for f in plan.findings] == ["nothing-found"]
    assert repository.execute(plan).series == ()


# --- real files ------------------------------------------------------------------------------------------------------


def test_a_series_that_comes_in_two_parts_is_one(repository: Repository, shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "dicom-ct/Slicer/CTHeadAxialDicom").glob("*.dcm"))
    first, second = tmp_path / "first", tmp_path / "second"
    for n, file in enumerate(files):
        target = (first if n % 2 else second) / file.name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    bring(repository, first)
    bring(repository, second)
    (series,) = repository.find("kind:volume")
    assert series.geometry is not None
    assert series.geometry.shape == (93, 64, 64)
    with vasculum.init_repository(tmp_path / "whole") as whole:
        bring(whole, shared_data / "dicom-ct/Slicer/CTHeadAxialDicom")
        (reference,) = whole.find("kind:volume")
        np.testing.assert_array_equal(series.voxels(), reference.voxels())
        np.testing.assert_allclose(series.geometry.affine, reference.geometry.affine)


def test_one_uid_with_other_bytes_is_shown_and_kept_apart(repository: Repository, shared_data: Path) -> None:
    humans = shared_data / "dicom-deid/deid-data/humans"
    bring(repository, humans / "ctbrain1.dcm")
    plan = repository.plan_import([humans / "ctbrain2.dcm"])
    assert "same-uid-other-bytes" in {f.code for s in plan.series for f in s.findings}
    repository.execute(plan)
    assert repository.count("") == 2
    (uid,) = {i.uid for s in repository.find("") for i in repository.catalog.instances_of(s.id)}
    assert sorted(i.version for i in repository.catalog.instances(uid)) == [1, 2]
    assert len({i.sha256 for i in repository.catalog.instances(uid)}) == 2


def test_the_whole_shared_folder(repository: Repository, shared_data: Path) -> None:
    report = bring(repository, shared_data)
    named = {f.path.split("!/")[0] for f in report.files}  # type: ignore[attr-defined]
    met = {str(p) for p in shared_data.absolute().rglob("*") if p.is_file()}
    assert named == met
    assert all(f.kind for f in report.files if f.outcome is Outcome.IMPORTED)  # type: ignore[attr-defined]
    assert all(f.reason for f in report.files if f.outcome in (Outcome.REFUSED, Outcome.SKIPPED))  # type: ignore[attr-defined]
    assert repository.check().sound
    assert dict(repository.facets("", "Modality"))["CT"] > 50
    skull = repository.find('has:segmentation("mandible") species:"Mus musculus"')
    assert {s.kind for s in skull} == {Kind.SEGMENTATION}
    assert repository.count("Modality:CT SliceThickness<2") >= 3


IMPORT = """
import sys, vasculum
from vasculum.repo import execute
execute.BATCH_FILES = 3  # many small commits, so that a kill falls between two of them
repository = vasculum.open_repository(sys.argv[1])
plan = repository.plan_import(sys.argv[2:])
print("planned", flush=True)
repository.execute(plan)
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_ten_random_moments_it_ends_in_the_same_state(shared_data: Path, tmp_path: Path) -> None:
    names = ("dicom-ct/Slicer", "dicom-rt", "nrrd/pyradiomics", "seg-nrrd/slicerio", "nrrd/slicerio", "mesh/trimesh")
    paths = [shared_data / p for p in names]
    with vasculum.init_repository(tmp_path / "whole") as whole:
        plan = whole.plan_import(paths)
        began = time.monotonic()
        whole.execute(plan)
        lasted = time.monotonic() - began
        expected = state(whole)
    moments = random.Random(20261122)
    partly = 0
    for n in range(10):
        root = tmp_path / f"killed {n}"
        vasculum.init_repository(root).close()
        _killed(root, paths, moments.uniform(0, 1.5) * lasted)
        with vasculum.open_repository(root) as opened:
            assert opened.check().sound
            partly += 0 < opened.count() < len(expected)
            opened.execute(opened.plan_import(paths))
            assert state(opened) == expected
            assert opened.check().sound
    assert partly  # else the kills fell before or after all the work, and show nothing


def _killed(root: Path, paths: list[Path], after: float) -> None:
    """Import in a child process, and kill it some seconds after it has begun to store."""
    command = [sys.executable, "-c", IMPORT, str(root), *map(str, paths)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(after)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
