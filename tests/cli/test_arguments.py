"""Reading what people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.cli.arguments import parse_fields, parse_names, parse_voxel_size
from vasculum.errors import Invalid


@pytest.mark.parametrize(
    ("text", "millimetres"),
    [
        ("0.05mm", (0.05, 0.05, 0.05)),
        ("50um", (0.05, 0.05, 0.05)),
        ("50 µm", (0.05, 0.05, 0.05)),  # micro sign
        ("50 μm", (0.05, 0.05, 0.05)),  # Greek mu
        ("12.5UM", (0.0125, 0.0125, 0.0125)),
        ("700nm", (0.0007, 0.0007, 0.0007)),
        ("0.1cm", (1.0, 1.0, 1.0)),
        ("0.05x0.05x0.1mm", (0.05, 0.05, 0.1)),
        ("0.05 × 0.06 × 0.1 mm", (0.05, 0.06, 0.1)),
        (".5mm", (0.5, 0.5, 0.5)),
        ("5e-2mm", (0.05, 0.05, 0.05)),
    ],
)
def test_voxel_sizes_are_read_as_millimetres(text: str, millimetres: tuple[float, float, float]) -> None:
    assert parse_voxel_size(text) == millimetres


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.05",
        "mm",
        "0mm",
        "-1mm",
        "0.05x0.05mm",
        "1x1x0mm",
        "1x1x1x1mm",
        "0.05in",
        "nanmm",
        "infmm",
        "1e999mm",
        "0,05mm",
    ],
)
def test_what_is_no_voxel_size_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_voxel_size(text)


@given(st.floats(1e-3, 1e4, allow_nan=False))
def test_a_size_in_millimetres_reads_back_exactly(size: float) -> None:
    assert parse_voxel_size(f"{size!r}mm") == (size, size, size)


@given(st.integers(1, 10**6))
def test_micrometres_are_the_double_nearest_to_the_millimetres(micrometres: int) -> None:
    assert parse_voxel_size(f"{micrometres}um")[0] == micrometres / 1000


@given(st.text())
def test_values_are_kept_exactly(value: str) -> None:
    assert parse_fields((f"strain={value}",)) == {"strain": value}


def test_values_may_hold_equals_signs_and_json() -> None:
    fields = parse_fields(("formula=a=b", "weight:=21.5", 'tags:=["x", 1]', "gone:=null", "empty="))
    assert fields == {"formula": "a=b", "weight": 21.5, "tags": ["x", 1], "gone": None, "empty": ""}


@pytest.mark.parametrize("word", ["species", "=x", " =x", "weight:=21,5", ":=1"])
def test_what_is_no_field_is_refused(word: str) -> None:
    with pytest.raises(Invalid):
        parse_fields((word,))


def test_a_field_given_twice_is_refused() -> None:
    with pytest.raises(Invalid, match="twice"):
        parse_fields(("sex=f", "sex=m"))


def test_names_may_be_joined_repeated_or_both() -> None:
    assert parse_names(("a, b", "c", ",")) == ("a", "b", "c")
