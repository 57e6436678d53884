"""The header walk against pydicom, on real files and on text that must come back exactly."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.dicom.attributes import flatten
from vasculum.dicom.json import header_json, pack_json, unpack_json
from vasculum.dicom.walk import PIXEL_TAGS, looks_like_dicom, read_header
from vasculum.errors import Unreadable

from .sources import dicom_files, slice_dataset, write

PIXELS = {f"{tag:08X}" for tag in PIXEL_TAGS}
PADDING = "FFFCFFFC"


def comparable(value: Any) -> Any:
    """Level the differences that are meant, one by one."""
    if isinstance(value, list):
        return [comparable(v) for v in value]
    if value is None:
        return ""  # PS3.18 F.2.5: an empty value among several is null; pydicom writes an empty string
    if not isinstance(value, dict):
        return value
    if "BulkDataURI" in value:
        return {"vr": value["vr"], "BulkDataURI": True}
    if "Alphabetic" in value:  # ours keeps an empty group after a "=", pydicom drops it
        return {k: v for k, v in value.items() if v}
    return {k: comparable(v) for k, v in value.items()}


def without_group_lengths(value: Any) -> Any:
    """Group lengths of private groups are UL to us (PS3.5 7.2), UN to pydicom."""
    if isinstance(value, list):
        return [without_group_lengths(v) for v in value]
    if isinstance(value, dict):
        return {k: without_group_lengths(v) for k, v in value.items() if not (len(k) == 8 and k.endswith("0000"))}
    return value


def by_pydicom(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            ds = pydicom.dcmread(path, force=True)
            for tag in PIXEL_TAGS:
                if tag in ds:
                    del ds[tag]
            found = ds.to_json_dict(bulk_data_threshold=1368, bulk_data_element_handler=lambda _: "there")
        finally:
            logging.disable(logging.NOTSET)
    return json.loads(json.dumps(found, default=str))


def one_of_each_folder(folder: Path) -> list[Path]:
    chosen: dict[Path, Path] = {}
    for path in dicom_files(folder):
        many = "syntax" in str(path) or "charset" in str(path) or "seg-sr" in str(path)
        chosen.setdefault(path if many else path.parent, path)
    return list(chosen.values())


def test_json_equals_that_of_pydicom(shared_data: Path) -> None:
    different: dict[str, list[str]] = {}
    compared = 0
    for path in one_of_each_folder(shared_data):
        if "malformed" in str(path) or path.name == "DICOMDIR-nooffset":  # pydicom gives up where we go on
            continue
        header = read_header(path)
        ours = {k: v for k, v in header_json(header).items() if k not in PIXELS}
        theirs = by_pydicom(path)
        for one in (ours, theirs):
            one.pop(PADDING, None)  # trailing padding: after encapsulated pixels we do not read on
        a, b = (without_group_lengths(comparable(json.loads(json.dumps(j)))) for j in (ours, theirs))
        compared += 1
        if a != b:
            different[path.name] = [k for k in a.keys() | b.keys() if a.get(k) != b.get(k)]
    assert different == {}
    assert compared > 100


def test_bulk_is_referred_to_by_its_place(tmp_path: Path) -> None:
    ds = slice_dataset(1, np.arange(24, dtype="<i2").reshape(4, 6))
    blob = bytes(range(256)) * 8
    ds.add_new(0x00091001, "OB", blob)
    ds.add_new(0x00090010, "LO", "MINE")
    path = write(ds, tmp_path / "a.dcm")
    uri = header_json(read_header(path))["00091001"]["BulkDataURI"]
    offset, length = (int(part.split("=")[1]) for part in uri.split("&"))
    assert path.read_bytes()[offset : offset + length] == blob
    pixels = header_json(read_header(path))["7FE00010"]["BulkDataURI"]
    assert pixels.endswith("&length=48")


@pytest.mark.parametrize(
    "text",
    [
        "BKS.Cg-Dock7m +/+ Leprdb/J",
        "UWBM:Mamm:0082411",
        "Ñandú",
        "日本",
        "B6;129S4-Gt(ROSA)26Sor<tm1Sor>/J",
        "a^b=c",
        "β",
    ],
)
@pytest.mark.parametrize("implicit", [False, True])
def test_texts_come_back_exactly(tmp_path: Path, text: str, implicit: bool) -> None:
    ds = slice_dataset(1, np.zeros((2, 2), "<i2"), SpecificCharacterSet="ISO_IR 192")
    ds.PatientID, ds.StrainDescription = text, text
    ds.add_new(0x00990010, "LO", "VASCULUM 1.0")
    ds.add_new(0x00991001, "UT", text + "\\ and more")
    path = tmp_path / "a.dcm"
    if implicit:
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        ds.save_as(path, enforce_file_format=False)
    else:
        write(ds, path)
    attributes = flatten((header_json(read_header(path)),))
    assert attributes["PatientID"] == (text,)
    assert attributes["StrainDescription"] == (text,)
    if not implicit:  # a private element has no representation in implicit encoding
        assert attributes["VASCULUM 1.0:01"] == (text + "\\ and more",)


@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\"), min_size=1, max_size=40))
def test_any_text_in_utf_8(tmp_path: Path, text: str) -> None:
    ds = slice_dataset(1, np.zeros((2, 2), "<i2"), SpecificCharacterSet="ISO_IR 192")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.add_new(0x00102201, "LO", text)
        path = write(ds, tmp_path / "a.dcm")
    assert flatten((header_json(read_header(path)),)).get("PatientSpeciesDescription", ("",))[0] == text.rstrip(" \0")


def test_nested_names_and_distinct_values(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    ds = slice_dataset(1, np.zeros((2, 2), "<i2"))
    items = []
    for value in ("C57BL/6J", "DBA/2J", "C57BL/6J"):
        item = Dataset()
        item.StrainCodeSequence = [Dataset()]
        item.StrainCodeSequence[0].CodeMeaning = value
        items.append(item)
    ds.add_new(0x00101002, "SQ", items)
    attributes = flatten((header_json(read_header(write(ds, tmp_path / "a.dcm"))),))
    assert attributes["OtherPatientIDsSequence.StrainCodeSequence.CodeMeaning"] == ("C57BL/6J", "DBA/2J")


def test_only_what_is_wanted(tmp_path: Path) -> None:
    path = write(slice_dataset(1, np.zeros((2, 2), "<i2")), tmp_path / "a.dcm")
    found = read_header(path, only=frozenset({0x00100020, 0x00280010}))
    assert set(found.elements) == {0x00100020, 0x00280010}


def test_json_is_packed_and_unpacked() -> None:
    value = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ñandú"}]}}
    assert unpack_json(pack_json(value)) == value


@pytest.mark.parametrize(
    "start", [b"", b"\0" * 200, b"MZ" + b"\0" * 300, b"#!/bin/sh\n" + b" " * 100, b"\x08\x00ab" * 60]
)
def test_other_files_are_not_dicom(start: bytes) -> None:
    assert not looks_like_dicom(start)


def test_a_file_that_ends_early_says_so(tmp_path: Path) -> None:
    path = write(slice_dataset(1, np.zeros((2, 2), "<i2")), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:400])
    assert any("breaks off" in fault for fault in read_header(path).faults)
    path.write_bytes(path.read_bytes()[:140])
    with pytest.raises(Unreadable):
        read_header(path)
