"""Descriptions survive being bytes, exactly."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.errors import Unreadable
from vasculum.formats.registry import describe
from vasculum.formats.wire import from_bytes, to_bytes
from vasculum.model.codes import Code
from vasculum.model.description import (
    Block,
    Description,
    DicomIdentity,
    Finding,
    Landmark,
    Part,
    Reference,
    Segment,
    Voxels,
)
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind, Severity
from vasculum.model.plans import FoundFile

any_text = st.text(st.characters(codec=None), max_size=12)  # lone surrogates and NULs too
undecodable = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
marks = st.sampled_from(["\x00#12", "\x000041", "\x00", "\x00\x00#", "\x00#"])
texts = st.one_of(any_text, undecodable, marks)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False), st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**40]))
values = st.one_of(texts, numbers)
real = st.floats(allow_nan=False)
vectors = st.tuples(real, real, real)
codes = st.builds(Code, texts, texts, texts)


segments = st.builds(
    Segment,
    number=st.integers(0, 99),
    name=texts,
    label_value=st.integers(0, 2**40),
    id=texts,
    color=st.none() | vectors,
    category=st.none() | codes,
    tags=st.dictionaries(texts, texts, max_size=3),
)
landmarks = st.builds(Landmark, label=texts, position=vectors, description=texts, defined=st.booleans())
geometries = st.builds(
    Geometry,
    shape=st.tuples(*[st.integers(1, 2**40)] * 3),
    spacing=vectors,
    origin=vectors,
    direction=st.tuples(vectors, vectors, vectors),
    irregular=texts,
)
blocks = st.builds(
    Block, part=texts, offset=st.integers(0, 2**50), length=st.none() | st.integers(0, 2**50), slope=real
)
voxels = st.builds(
    Voxels,
    dtype=st.sampled_from(["<i2", ">f4"]),
    axes=st.just("kji"),
    sizes=st.lists(st.integers(0, 2**40), max_size=4).map(tuple),
    blocks=st.lists(blocks, max_size=3).map(tuple),
    intercept=real,
)
identities = st.builds(DicomIdentity, **{f.name: texts for f in dataclasses.fields(DicomIdentity)})


def several(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


descriptions = st.builds(
    Description,
    format=texts,
    kind=st.sampled_from(Kind),
    parts=several(st.builds(Part, name=texts, role=texts)),
    title=texts,
    geometry=st.none() | geometries,
    voxels=st.none() | voxels,
    segments=several(segments),
    landmarks=several(landmarks),
    attributes=st.dictionaries(texts, several(values), max_size=4),
    references=several(st.builds(Reference, target=texts, how=texts)),
    findings=several(st.builds(Finding, code=texts, text=texts, severity=st.sampled_from(Severity))),
    dicom=st.none() | identities,
    header=st.binary(max_size=20),
    instances=several(identities),
    members=several(texts),
)


@given(descriptions)
def test_a_description_comes_back_exactly(description: Description) -> None:
    back = from_bytes(to_bytes(description))
    assert back == description
    assert [[type(v) for v in a] for a in back.attributes.values()] == [
        [type(v) for v in a] for a in description.attributes.values()
    ]


@given(descriptions, texts)
def test_so_does_a_file_that_holds_one(description: Description, path: str) -> None:
    found = FoundFile(path=path, size=2**50, mtime_ns=-(2**62), sha256="ab", description=description)
    assert from_bytes(to_bytes(found), FoundFile) == found
    items = {path: description}
    assert from_bytes(to_bytes(items), dict[str, Description]) == items


def test_numbers_that_are_not_finite_come_back() -> None:
    landmark = Landmark(label="a", position=(math.nan, math.inf, -math.inf))
    back = from_bytes(to_bytes(landmark), Landmark)
    assert math.isnan(back.position[0])
    assert back.position[1:] == (math.inf, -math.inf)


def test_numbers_of_numpy_and_truth_values_become_plain_ones() -> None:
    attributes = {"a": (np.float64(1.5), np.int16(3), True, np.str_("x"))}
    description = Description(
        format="x",
        kind=Kind.TABLE,
        parts=(),
        attributes=attributes,
        landmarks=(Landmark(label="", position=(0, 0, 0)),),
    )
    back = from_bytes(to_bytes(description))
    assert back.attributes == {"a": (1.5, 3, 1, "x")}
    assert [type(value) for value in back.attributes["a"]] == [float, int, int, str]
    assert back.landmarks[0].defined is True


def test_what_is_no_value_of_the_model_is_refused() -> None:
    with pytest.raises(Unreadable):
        to_bytes(Description(format="x", kind=Kind.TABLE, parts=(), attributes={"a": (object(),)}))  # type: ignore[dict-item]


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x00\xc1", b"\x01\x00", b"\x05abc", b"\x00" + b"\x91" * 5000])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(Unreadable):
        from_bytes(content)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Unreadable):
        from_bytes(content)


def test_descriptions_of_real_files_come_back(shared_data: Path) -> None:
    read = 0
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file() and p.stat().st_size < 2**20)[::9]:
        try:
            description = describe(path)
        except (ValueError, NotImplementedError):
            continue
        assert from_bytes(to_bytes(description)) == description, path.name
        read += 1
    assert read > 50
