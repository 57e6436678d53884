"""Which part of a name says whose it is."""

from __future__ import annotations

import pytest

from vasculum.repo.naming import bids_subject, common_identities, folder_identity, identity, is_prefix, normal, stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C57BL6_J_.nii.gz", "C57BL6_J_"),
        ("a/b/CT.seg.nrrd", "CT"),
        ("B6129PF1.J_.mrk.json", "B6129PF1.J_"),
        ("Ñandú 日本.nrrd", "Ñandú 日本"),
        ("IM000001", "IM000001"),
        ("scan.mrb!/scan/Data/CT.nhdr", "CT"),
    ],
)
def test_stem_drops_folders_and_double_extensions(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("brain1_label", "brain1"),
        ("CT", ""),
        ("baseline", ""),
        ("issue-1", ""),
        ("129X1_SVJ_", "129X1_SVJ"),
        ("AMNH 123456 Skull", "AMNH 123456 Skull"),
        ("UWBM-Mamm-0082411_CT_left", "UWBM-Mamm-0082411"),
        ("Ñandú_scan", "Ñandú"),
    ],
)
def test_identity_leaves_out_words_that_say_what(name: str, expected: str) -> None:
    assert identity(name) == expected


def test_labels_meet_file_names_whatever_the_separators() -> None:
    assert normal("BKS.Cg-Dock7m +/+ Leprdb/J") == normal("BKS_Cg-Dock7m_+_+_Leprdb_J_")
    assert is_prefix("129X1/SVJ", "129X1_SVJ_landmarks")
    assert not is_prefix("129X1", "129X10_SVJ")
    assert not is_prefix("", "anything")


def test_bids_subjects_are_read_from_folders_and_names() -> None:
    assert bids_subject("study/sub-01/anat/sub-01_T1w.nii.gz") == "sub-01"
    assert bids_subject("a/sub-Ab3_ses-1_T1w.nii.gz") == "sub-Ab3"
    assert bids_subject("a/subject-1.nii") == ""


def test_folders_with_generic_names_do_not_name_subjects() -> None:
    assert folder_identity(["Mouse_Skull", "rec"]) == "Mouse_Skull"
    assert folder_identity(["data", "001"]) == ""


def test_names_of_one_folder_are_cut_where_they_begin_to_differ() -> None:
    names = [f"OAS1_{n:04d}_MR1_Rater{r}" for n in (10, 114) for r in (1, 2, 3)]
    assert set(common_identities(names).values()) == {"OAS1_0010", "OAS1_0114"}
    # Every file a group of its own: these are parts of one thing, not subjects.
    assert common_identities([f"Model_{n}_nucleus" for n in range(20)]) == {}
    assert common_identities(["a", "b"]) == {}
