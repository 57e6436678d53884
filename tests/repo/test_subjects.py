"""Whose is it? The strongest evidence decides, and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vasculum.model.description import Description, DicomIdentity, Part, Reference
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind, SubjectKind
from vasculum.model.plans import FoundFile
from vasculum.repo.drafts import Draft
from vasculum.repo.naming import stem
from vasculum.repo.subjects import assign_subjects
from vasculum.repo.tables import MetadataTable

ROOT = "/lab/data"


def draft(path: str, kind: Kind = Kind.VOLUME, spacing: float = 1.0, **fields: object) -> Draft:
    name = path.rsplit("/", 1)[-1]
    geometry = Geometry.from_affine(np.diag([spacing, spacing, spacing, 1.0]), (4, 5, 6))
    description = Description(
        format="nrrd", kind=kind, parts=(Part(name=name),), title=stem(path), geometry=geometry, **fields
    )  # type: ignore[arg-type]
    full = f"{ROOT}/{path}"
    return Draft(description, {name: FoundFile(path=full, size=1, mtime_ns=0, sha256=full)}, {name: full}, ROOT, "")


def labels(drafts: list[Draft], *tables: MetadataTable) -> list[str]:
    return [a.label for a in assign_subjects(drafts, tables)]


def test_volumes_named_after_strains_are_subjects_and_landmarks_follow_by_name() -> None:
    drafts = [
        draft("targets/129X1_SVJ_.nii.gz"),
        draft("targets/C57BL6_J_.nii.gz"),
        draft("target_LMs/C57BL6_J_.mrk.json", Kind.LANDMARKS),
        draft("target_LMs/129X1_SVJ_.mrk.json", Kind.LANDMARKS),
    ]
    assert labels(drafts) == ["129X1_SVJ", "C57BL6_J", "C57BL6_J", "129X1_SVJ"]


def test_a_folder_with_generic_names_is_the_subject() -> None:
    drafts = [
        draft("AMNH 123456/CT.nrrd"),
        draft("AMNH 123456/CT_denoised.nrrd"),
        draft("AMNH 123456/Skull.seg.nrrd", Kind.SEGMENTATION),
        draft("AMNH 123456/LM.mrk.json", Kind.LANDMARKS),
        draft("AMNH 123456/mandible.ply", Kind.MESH),
    ]
    assert set(labels(drafts)) == {"AMNH 123456"}


def test_generic_folders_on_the_way_are_passed_over() -> None:
    assert labels([draft("Ñandú/rec/volume.nrrd"), draft("Ñandú/data/001/img.nrrd")]) == ["Ñandú", "Ñandú"]


def test_a_segmentation_goes_with_the_one_volume_that_has_its_grid() -> None:
    drafts = [
        draft("x/Aa7.nrrd", spacing=1),
        draft("x/Bb9.nrrd", spacing=2),
        draft("x/result.seg.nrrd", Kind.SEGMENTATION, 2),
    ]
    assert labels(drafts)[2] == "Bb9"


def test_a_folder_of_markups_is_cut_by_what_the_names_share() -> None:
    drafts = [draft(f"afids/OAS1_{n:04d}_MR1_Rater{r}.fcsv", Kind.LANDMARKS) for n in (10, 114) for r in (1, 2, 3)]
    assert labels(drafts) == ["OAS1_0010"] * 3 + ["OAS1_0114"] * 3
    models = [draft(f"atlas/Model_{n}_part.vtk", Kind.MESH) for n in range(6)]
    assert set(labels(models)) == {"atlas"}


def test_a_table_row_wins_over_names() -> None:
    rows = [{"file": "scan7.nrrd", "subject": "BKS.Cg-Dock7m +/+ Leprdb/J", "species": "Mus musculus"}]
    table = MetadataTable("m.csv", rows, "subject", "file")
    assert labels([draft("a/scan7.nrrd")], table) == ["BKS.Cg-Dock7m +/+ Leprdb/J"]


def test_a_subject_of_the_table_is_known_in_folders_and_file_names() -> None:
    rows = [{"subject": "129X1/SVJ", "strain": "129"}, {"subject": "UWBM:Mamm:0082411"}]
    table = MetadataTable("m.csv", rows, "subject", "")
    drafts = [draft("t/129X1_SVJ_.nii.gz"), draft("UWBM_Mamm_0082411/CT.nrrd")]
    assert labels(drafts, table) == ["129X1/SVJ", "UWBM:Mamm:0082411"]
    assert table.metadata_of("129X1/SVJ") == {"strain": "129"}


def test_bids_and_containers() -> None:
    member = draft("s/CT.nrrd")
    file = next(iter(member.files.values()))
    inside = replace(file, path="/lab/data/AMNH77.mrb!/AMNH77/Data/CT.nrrd", container="c" * 64, member="x")
    member.files = dict.fromkeys(member.files, inside)
    assert labels([draft("sub-01/anat/sub-01_T1w.nii.gz"), member]) == ["sub-01", "AMNH77"]


@pytest.mark.parametrize(
    ("species", "kind"),
    [("Mus musculus", SubjectKind.ANIMAL), ("Homo sapiens", SubjectKind.PATIENT), ("", SubjectKind.PATIENT)],
)
def test_the_dicom_header_names_the_subject_exactly(species: str, kind: SubjectKind) -> None:
    identity = DicomIdentity(
        sop_class_uid="1",
        sop_instance_uid="2",
        study_instance_uid="3",
        series_instance_uid="4",
        transfer_syntax_uid="5",
        patient_id="BKS.Cg-Dock7m +/+ Leprdb/J",
        issuer_of_patient_id="JAX",
    )
    attributes = {"PatientSpeciesDescription": (species,)} if species else {}
    (one,) = assign_subjects([draft("x/1.dcm", dicom=identity, attributes=attributes)], [])
    assert (one.label, one.issuer, one.kind) == ("BKS.Cg-Dock7m +/+ Leprdb/J", "JAX", kind)


def test_every_assignment_says_why() -> None:
    drafts = [draft("a/CT.nrrd"), draft("targets/Xy1.nrrd"), draft("b/readme.txt", Kind.DOCUMENT)]
    assert all(a.why for a in assign_subjects(drafts, []))


def test_folders_of_one_name_that_hold_volumes_stay_apart() -> None:
    drafts = [
        draft("Aa1/knee/CT.nrrd"),
        draft("Bb2/knee/CT.nrrd"),
        draft("Bb2/knee/bone.seg.nrrd", Kind.SEGMENTATION),
    ]
    assert labels(drafts) == ["Aa1/knee", "Bb2/knee", "Bb2/knee"]
    beside = [draft("seg/Mouse7/baseline.nrrd"), draft("tables/Mouse7/accession.txt", Kind.DOCUMENT)]
    assert labels(beside) == ["Mouse7", "Mouse7"]


def test_what_a_scene_names_is_one_subject() -> None:
    scene = draft("out/scene/all.mrml", Kind.SCENE, references=(Reference(target="../maps/left9.nrrd", how="path"),))
    drafts = [scene, draft("out/maps/left9.nrrd"), draft("out/maps/other8.nrrd")]
    assert labels(drafts) == ["left9", "left9", "other8"]


def test_what_lies_beside_a_dicom_series_goes_with_it() -> None:
    identity = DicomIdentity(
        sop_class_uid="1",
        sop_instance_uid="2",
        study_instance_uid="3",
        series_instance_uid="4",
        transfer_syntax_uid="5",
        patient_id="P 7",
    )
    drafts = [draft("case/DICOM/IM1", dicom=identity), draft("case/bone.seg.nrrd", Kind.SEGMENTATION)]
    assert labels(drafts) == ["P 7", "P 7"]
