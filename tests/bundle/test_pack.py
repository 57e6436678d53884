"""Packing: what goes in, what is left out and said, and what happens when something fails."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundle.conftest import Packed
from tests.bundle.specimens import (
    HARD_STRINGS,
    STUDY,
    SUBJECT,
    described,
    item_of,
    nrrd_file,
    oblique,
    pack,
    series_id,
)
from vasculum.bundle import Item, check, open_bundle
from vasculum.errors import Conflict, Integrity, Unavailable, Unreadable
from vasculum.model.description import Description, Part, Segment, Voxels
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind


@pytest.fixture
def volume(tmp_path: Path) -> Item:
    """A small volume."""
    array = np.arange(3 * 4 * 6, dtype=np.int16).reshape(3, 4, 6)
    return item_of(nrrd_file(tmp_path / "v.nrrd", array, oblique()), 1, label="CT")


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_members_are_those_of_the_design(tmp_path: Path, volume: Item) -> None:
    report = pack(tmp_path / "x.mrb", [volume], subject=replace(SUBJECT, label="AMNH123456"))
    assert set(_names(tmp_path / "x.mrb")) == {
        "DICOMDIR",
        "DICOM/IM000001",
        "ro-crate-metadata.json",
        "AMNH123456/AMNH123456.mrml",
        "AMNH123456/Data/CT.nhdr",
        "AMNH123456/Data/vasculum.json",
    }
    assert [m.name for m in report.members] == _names(tmp_path / "x.mrb")
    assert report.size == (tmp_path / "x.mrb").stat().st_size
    assert not report.left_out


def test_the_header_points_to_a_page_of_the_one_copy(zoo: Packed) -> None:
    with zipfile.ZipFile(zoo.path) as archive:
        text = archive.read(next(n for n in archive.namelist() if n.endswith("head.nhdr"))).decode()
        sizes = {i.filename: i.file_size for i in archive.infolist()}
    assert "data file: ../../DICOM/IM000001" in text
    assert int(text.split("byte skip: ")[1].split()[0]) % 4096 == 0
    assert not any(name.endswith("/head.nrrd") for name in sizes)


def test_nothing_is_left_out_silently(zoo: Packed) -> None:
    packed = {m.series for m in zoo.report.members} | {left.series for left in zoo.report.left_out}
    assert packed >= {item.series.id for item in zoo.items.values()}
    assert {left.series for left in zoo.report.left_out} == {zoo.items["ball"].series.id}
    names = _names(zoo.path)
    assert any(n.startswith("original/old scene-") and n.endswith("/vol.mrml.txt") for n in names)
    assert sum(n.endswith(".mrml") for n in names) == 1


def test_what_cannot_be_read_is_kept_as_original_bytes_and_said(tmp_path: Path, volume: Item) -> None:
    def broken() -> Any:
        raise Unreadable("the voxels are truncated")

    bad = replace(volume, series=replace(volume.series, id=series_id(2), label="bad"), voxels=broken)
    report = pack(tmp_path / "x.mrb", [volume, bad])
    (left,) = report.left_out
    assert left.series == series_id(2)
    assert "truncated" in left.reason
    kept = next(m for m in report.members if m.series == series_id(2))
    with open_bundle(tmp_path / "x.mrb") as bundle:
        assert bundle.read(kept.name) == (tmp_path / "v.nrrd").read_bytes()
        assert list(bundle.volumes) == ["CT"]
    assert check(tmp_path / "x.mrb") == []


def test_what_is_gone_altogether_is_said(tmp_path: Path, volume: Item) -> None:
    def gone(name: str) -> Path:
        raise FileNotFoundError(name)

    def broken() -> Any:
        raise Unreadable("the file is gone")

    report = pack(tmp_path / "x.mrb", [replace(volume, voxels=broken, locate=gone)])
    assert len(report.left_out) == 2
    assert all(left.series == volume.series.id for left in report.left_out)
    assert check(tmp_path / "x.mrb") == []


def test_a_subject_without_series_packs_too(tmp_path: Path) -> None:
    pack(tmp_path / "x.mrb", [])
    assert check(tmp_path / "x.mrb") == []
    with open_bundle(tmp_path / "x.mrb") as bundle:
        assert bundle.metadata["subject"]["label"] == SUBJECT.label


def test_an_irregular_volume_is_no_dicom_and_says_why(tmp_path: Path, volume: Item) -> None:
    geometry = volume.series.geometry
    assert geometry
    crooked = Geometry.from_affine(geometry.affine, geometry.shape, irregular="slice 3 is missing")
    item = replace(volume, series=replace(volume.series, geometry=crooked))
    report = pack(tmp_path / "x.mrb", [item])
    (member,) = [m for m in report.members if m.series]
    assert member.name.endswith("CT.nrrd")
    assert "slice 3 is missing" in member.what
    assert [f.code for f in report.findings] == ["not-dicom"]
    with open_bundle(tmp_path / "x.mrb") as bundle:
        assert item.voxels
        np.testing.assert_array_equal(bundle.volumes["CT"].array, item.voxels())


def _layers(tmp_path: Path, layers: np.ndarray[Any, Any], segments: tuple[Segment, ...]) -> Item:
    geometry = Geometry.from_affine(oblique(), layers.shape[1:])  # type: ignore[arg-type]
    description = Description(
        format="nrrd",
        kind=Kind.SEGMENTATION,
        parts=(Part(name="x"),),
        title="layers",
        geometry=geometry,
        voxels=Voxels(dtype="|u1", axes="tkji", sizes=layers.shape),
        segments=segments,
    )
    return replace(described(description, lambda name: tmp_path / name, 1), voxels=lambda: layers)


def test_layers_that_do_not_overlap_become_one_label_map(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 4, 6), np.uint8)
    layers[0, 0, 1:3, 2:4] = 1
    layers[1, 1:, 2:, :3] = 1
    segments = tuple(Segment(number=n, name=name, label_value=1, layer=n - 1) for n, name in ((1, "a"), (2, "b")))
    report = pack(tmp_path / "x.mrb", [_layers(tmp_path, layers, segments)])
    assert any(m.name == "DICOM/IM000001" for m in report.members)
    with open_bundle(tmp_path / "x.mrb") as bundle:
        found = bundle.segmentations["layers"]
        np.testing.assert_array_equal(found.mask("a"), layers[0] == 1)
        np.testing.assert_array_equal(found.mask("b"), layers[1] == 1)


def test_layers_that_overlap_stay_layers(tmp_path: Path) -> None:
    layers = np.ones((2, 3, 4, 6), np.uint8)
    segments = tuple(Segment(number=n, name=name, label_value=1, layer=n - 1) for n, name in ((1, "a"), (2, "b")))
    report = pack(tmp_path / "x.mrb", [_layers(tmp_path, layers, segments)])
    assert not any(m.name.startswith("DICOM/") for m in report.members)
    with open_bundle(tmp_path / "x.mrb") as bundle:
        assert bundle.segmentations["layers"].mask("b").all()


def test_a_label_that_no_segment_names_keeps_the_plain_form(tmp_path: Path) -> None:
    labels = np.zeros((3, 4, 6), np.uint8)
    labels[0], labels[1] = 1, 7
    item = _layers(tmp_path, labels[np.newaxis], (Segment(number=1, name="a", label_value=1),))
    assert item.description.voxels
    plain = replace(item.description, voxels=replace(item.description.voxels, axes="kji", sizes=labels.shape))
    report = pack(tmp_path / "x.mrb", [replace(item, description=plain, voxels=lambda: labels)])
    (member,) = [m for m in report.members if m.series]
    assert "no segment names" in member.what
    with open_bundle(tmp_path / "x.mrb") as bundle:
        np.testing.assert_array_equal(bundle.segmentations["layers"].array, labels)


@pytest.mark.parametrize("values", [(1, 2, 300), (1, 40000, 65535), (3, 1, 2)])
def test_label_values_are_kept(tmp_path: Path, values: tuple[int, ...]) -> None:
    labels = np.zeros((3, 5, 7), np.uint16)  # an odd number of voxels
    for k, value in enumerate(values):
        labels[k, 1:3] = value
    segments = tuple(Segment(number=n, name=f"s{v}", label_value=v) for n, v in enumerate(values, start=1))
    item = _layers(tmp_path, labels[np.newaxis], segments)
    assert item.description.voxels
    plain = replace(item.description, voxels=replace(item.description.voxels, axes="kji", sizes=labels.shape))
    pack(tmp_path / "x.mrb", [replace(item, description=plain, voxels=lambda: labels)])
    with open_bundle(tmp_path / "x.mrb") as bundle:
        np.testing.assert_array_equal(bundle.segmentations["layers"].array, labels)


def test_originals_come_along_bit_for_bit(tmp_path: Path, volume: Item, shared_data: Path) -> None:
    mesh = item_of(shared_data / "mesh/trimesh/bunny.ply", 2)
    report = pack(tmp_path / "x.mrb", [volume, mesh], with_originals=True)
    originals = [m for m in report.members if m.name.startswith("original/")]
    assert [Path(m.name).name for m in originals] == ["v.nrrd"]  # the mesh is an original already
    with open_bundle(tmp_path / "x.mrb") as bundle:
        assert bundle.read(originals[0].name) == (tmp_path / "v.nrrd").read_bytes()
    assert check(tmp_path / "x.mrb") == []


def test_names_that_no_text_can_hold_are_kept_in_the_crate(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9 %41;&.bin")
    source = tmp_path / "source"
    source.write_bytes(b"\x00\x01 some bytes")
    description = Description(format="document", kind=Kind.REPORT, parts=(Part(name=odd),), title="odd")
    report = pack(tmp_path / "x.mrb", [described(description, lambda _: source, 1)])
    (member,) = [m for m in report.members if m.series]
    member.name.encode()
    assert member.original_name == odd
    with open_bundle(tmp_path / "x.mrb") as bundle:
        crate = json.loads(bundle.read("ro-crate-metadata.json"))
        assert odd in [entity.get("alternateName") for entity in crate["@graph"]]
        assert bundle.metadata["series"][0]["files"][0]["name"] == odd


def test_strings_of_the_record_and_the_crate_are_exact(zoo: Packed) -> None:
    with open_bundle(zoo.path) as bundle:
        assert bundle.metadata["subject"]["metadata"] == SUBJECT.metadata
        crate = json.loads(bundle.read("ro-crate-metadata.json"))
        values = [entity.get("value") for entity in crate["@graph"] if entity["@type"] == "PropertyValue"]
        assert [v for v in values if v in HARD_STRINGS][-len(HARD_STRINGS) :] == list(HARD_STRINGS)


def test_places_on_the_disk_of_the_packer_do_not_come_along(zoo: Packed) -> None:
    with open_bundle(zoo.path) as bundle:
        for member in bundle.members:
            if member.size < 1_000_000:
                assert b"/home/of/a/person" not in bundle.read(member.name)


def test_packing_twice_gives_the_same_bytes(tmp_path: Path, volume: Item) -> None:
    pack(tmp_path / "1.mrb", [volume])
    pack(tmp_path / "2.mrb", [volume])
    assert (tmp_path / "1.mrb").read_bytes() == (tmp_path / "2.mrb").read_bytes()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, volume: Item) -> None:
    (tmp_path / "x.mrb").write_bytes(b"precious")
    with pytest.raises(Conflict):
        pack(tmp_path / "x.mrb", [volume])
    assert (tmp_path / "x.mrb").read_bytes() == b"precious"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, volume: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    from vasculum.bundle.container import ContainerWriter

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ContainerWriter, "add_file", full)
    before = set(tmp_path.iterdir())
    with pytest.raises(Unavailable, match="cannot be written"):
        pack(tmp_path / "x.mrb", [volume])
    assert set(tmp_path.iterdir()) == before


def test_a_file_that_reads_back_wrong_gets_no_name(
    tmp_path: Path, volume: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vasculum.formats import nrrd

    honest = nrrd.write_header

    def lying(path: Path, *, byte_skip: int, **more: Any) -> None:
        honest(path, byte_skip=byte_skip - 2, **more)

    monkeypatch.setattr(nrrd, "write_header", lying)
    before = set(tmp_path.iterdir())
    with pytest.raises(Integrity, match="pixel element"):
        pack(tmp_path / "x.mrb", [volume])
    assert set(tmp_path.iterdir()) == before


def test_progress_counts_to_its_end(tmp_path: Path, volume: Item) -> None:
    told: list[tuple[int, int, str]] = []
    pack(tmp_path / "x.mrb", [volume], progress=lambda *step: told.append(step))
    assert [done for done, _, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][0] == told[-1][1]


def test_series_of_a_study_that_is_not_named_hang_under_the_subject(tmp_path: Path, volume: Item) -> None:
    stray = replace(volume, series=replace(volume.series, study="nowhere"))
    pack(tmp_path / "x.mrb", [stray], studies=[STUDY])
    assert check(tmp_path / "x.mrb") == []
