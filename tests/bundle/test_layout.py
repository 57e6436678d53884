"""Names of members."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.specimens import HARD_STRINGS
from vasculum.bundle.container import is_safe_name
from vasculum.bundle.layout import MAX_NAME, Names, root_name, safe_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("BKS.Cg-Dock7m +/+ Leprdb/J", "BKS.Cg-Dock7m +%2F+ Leprdb%2FJ"),
        ("UWBM:Mamm:0082411", "UWBM%3AMamm%3A0082411"),
        ("N\u0303andu", "Ñandu"),
        ("日本", "日本"),
        ("con", "_con"),
        ("Aux.1", "_Aux.1"),
        ("COM1", "_COM1"),
        ("..", "unnamed"),
        (".hidden", "_.hidden"),
        ("dots...", "dots"),
        ("  spaces  ", "spaces"),
        ("", "unnamed"),
        ("50 %", "50 %25"),
        ("x" * 60, "x" * 50),
        ("x" * 49 + "/y", "x" * 49),
    ],
)
def test_labels_become_names_that_every_system_takes(label: str, name: str) -> None:
    assert safe_name(label) == name


@given(st.text(st.characters(codec=None), max_size=80))
def test_any_label_gives_a_safe_name(label: str) -> None:
    name = safe_name(label)
    assert is_safe_name(name)
    assert len(name) <= MAX_NAME + 1
    assert not set('<>:"/\\|?*') & set(name)
    assert name == name.strip(" ") and not name.endswith(".")
    name.encode()


@given(st.lists(st.sampled_from(["a", "A", "a (2)", "A/", "x" * 70, "x" * 71, *HARD_STRINGS]), max_size=20))
def test_names_are_unique_whatever_the_case(labels: list[str]) -> None:
    names = Names("root")
    given_out = [names.data(label, ".nrrd") for label in labels]
    assert len({name.casefold() for name in given_out}) == len(labels)
    assert all(is_safe_name(name) and name.startswith("root/Data/") for name in given_out)


def test_a_subject_cannot_take_the_place_of_the_file_set() -> None:
    assert root_name("DICOM") == "DICOM_"
    assert root_name("DicomDir") == "DicomDir_"
    assert root_name("original") == "original_"
    assert Names("M-1").scene == "M-1/M-1.mrml"


def test_originals_keep_their_folders_but_no_scene_keeps_its_suffix() -> None:
    names = Names("root")
    assert names.original("CT", "a/b/IM1.dcm") == "original/CT/a/b/IM1.dcm"
    assert names.original("CT", "../../etc/passwd") == "original/CT/etc/passwd"
    assert names.original("CT", "C:\\x\\y.dcm") == "original/CT/C%3A/x/y.dcm"
    assert names.original("old", "scene.MRML") == "original/old/scene.MRML.txt"
    assert names.original("CT", "noname") == "original/CT/noname"


def test_images_have_file_ids_of_part_10() -> None:
    names = Names("root")
    assert [names.image(), names.image()] == ["DICOM/IM000001", "DICOM/IM000002"]
