"""What `check` finds, and that it finds nothing in a sound bundle."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.bundle.conftest import Packed
from tests.bundle.specimens import WHEN, item_of, nrrd_file, oblique, pack
from vasculum.bundle import check
from vasculum.bundle.container import ContainerReader, ContainerWriter
from vasculum.errors import Unreadable
from vasculum.model.kinds import Severity

CRATE = "ro-crate-metadata.json"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle with one volume."""
    folder = tmp_path_factory.mktemp("sound")
    values = np.arange(7 * 8 * 10, dtype=np.int16).reshape(7, 8, 10)
    pack(folder / "x.mrb", [item_of(nrrd_file(folder / "a.nrrd", values, oblique()), 1, label="CT")])
    return folder / "x.mrb"


def _rebuilt(source: Path, target: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """Write a zip anew with members changed or left out; the crate is made to agree with the changed bytes."""
    import hashlib

    from vasculum.bundle.crate import file_id

    with ContainerReader(source) as reader, ContainerWriter(target, when=WHEN) as writer:
        changed = [c for m in reader.members if (c := change(m.name, reader.read(m.name)))]
        digests = {file_id(name): hashlib.sha256(content).hexdigest() for name, content in changed}
        for name, content in changed:
            if name == CRATE:
                crate = json.loads(content)
                for entity in crate["@graph"]:
                    if entity["@id"] in digests:
                        entity["sha256"] = digests[entity["@id"]]
                content = json.dumps(crate).encode()
            writer.add_bytes(name, content)
    return target


def _codes(path: Path) -> set[str]:
    return {f.code for f in check(path) if f.severity is Severity.ERROR}


def test_a_sound_bundle_has_no_findings(zoo: Packed, sound: Path) -> None:
    assert check(zoo.path) == []
    assert check(sound) == []


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_byte_is_found_wherever_it_is(sound: Path, tmp_path: Path, fraction: float) -> None:
    content = bytearray(sound.read_bytes())
    with zipfile.ZipFile(sound) as archive:
        infos = archive.infolist()
    info = max((i for i in infos if i.header_offset < fraction * len(content)), key=lambda i: i.header_offset)
    start = (
        info.header_offset
        + 30
        + sum(content[info.header_offset + n] + 256 * content[info.header_offset + n + 1] for n in (26, 28))
    )
    content[start + info.file_size // 2] ^= 0x10
    (tmp_path / "x.mrb").write_bytes(content)
    assert "damaged-member" in _codes(tmp_path / "x.mrb")


def test_every_single_flipped_byte_of_the_voxels_is_found(sound: Path, tmp_path: Path) -> None:
    content = bytearray(sound.read_bytes())
    start = content.index(np.arange(40, dtype="<i2").tobytes())
    for place in range(start, start + 1120, 111):
        content[place] ^= 1
        (tmp_path / "x.mrb").write_bytes(content)
        assert _codes(tmp_path / "x.mrb") == {"damaged-member"}
        content[place] ^= 1


@pytest.mark.parametrize(
    ("pattern", "replacement", "words"),
    [
        (
            rb"byte skip: (\d+)",
            lambda m: b"byte skip: %d" % (int(m[1]) + 2),
            "end|pixel element|lie inside|bytes that are not",
        ),
        (rb"byte skip: (\d+)", lambda m: b"byte skip: %d" % (int(m[1]) - 2), "no pixel element"),
        (rb"type: int16", lambda m: b"type: uint16", "type"),
        (rb"type: int16", lambda m: b"type: uint8", "bytes, not"),
        (rb"sizes: 10 8 7", lambda m: b"sizes: 8 10 7", "sizes"),
        (rb"sizes: 10 8 7", lambda m: b"sizes: 10 8 8", "bytes that are not"),
        (rb"space origin: \(-12.25", lambda m: b"space origin: (-13.25", "lie elsewhere"),
        (rb"space: left-posterior-superior", lambda m: b"space: right-anterior-superior", "lie elsewhere"),
        (rb"data file: ../../DICOM/IM000001", lambda m: b"data file: ../../../../etc/passwd", "outside"),
        (rb"data file: ../../DICOM/IM000001", lambda m: b"data file: /etc/passwd", "outside"),
        (rb"data file: ../../DICOM/IM000001", lambda m: b"data file: ../../DICOM/IM000002", "no member"),
    ],
)
def test_an_untrue_header_is_found(
    sound: Path, tmp_path: Path, pattern: bytes, replacement: Callable[[re.Match[bytes]], bytes], words: str
) -> None:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name, re.sub(pattern, replacement, content) if name.endswith(".nhdr") else content

    path = _rebuilt(sound, tmp_path / "x.mrb", change)
    errors = [f for f in check(path) if f.severity is Severity.ERROR]
    assert {f.code for f in errors} <= {"untrue-header", "bad-header"}
    assert re.search(words, " ".join(f.text for f in errors))


def test_a_longer_dicom_header_is_found(sound: Path, tmp_path: Path) -> None:
    """Someone edited the DICOM header: the pixels moved, the offset in the NRRD header did not."""

    def change(name: str, content: bytes) -> tuple[str, bytes]:
        if name != "DICOM/IM000001":
            return name, content
        place = content.index(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192")
        return name, content[:place] + b"\x08\x00\x01\x00UL\x04\x00\0\0\0\0" + content[place:]

    assert "untrue-header" in _codes(_rebuilt(sound, tmp_path / "x.mrb", change))


def test_missing_and_unlisted_members_are_found(sound: Path, tmp_path: Path) -> None:
    def without_image(name: str, content: bytes) -> tuple[str, bytes] | None:
        return None if name == "DICOM/IM000001" else (name, content)

    assert _codes(_rebuilt(sound, tmp_path / "1.mrb", without_image)) == {"missing-member", "bad-header"}

    def without_header(name: str, content: bytes) -> tuple[str, bytes] | None:
        return None if name.endswith(".nhdr") else (name, content)

    assert _codes(_rebuilt(sound, tmp_path / "2.mrb", without_header)) == {"missing-member", "missing-link"}

    def with_another(name: str, content: bytes) -> tuple[str, bytes]:
        return ("DICOM/IM000009", content) if name == "DICOM/IM000001" else (name, content)

    assert {"missing-member", "unlisted-image"} <= _codes(_rebuilt(sound, tmp_path / "3.mrb", with_another))


def test_other_bytes_than_the_crate_says_are_found(sound: Path, tmp_path: Path) -> None:
    with ContainerReader(sound) as reader, ContainerWriter(tmp_path / "x.mrb", when=WHEN) as writer:
        for member in reader.members:
            content = reader.read(member.name)
            writer.add_bytes(member.name, content + b"\n" if member.name.endswith("vasculum.json") else content)
    assert _codes(tmp_path / "x.mrb") == {"wrong-digest"}


def test_names_and_links_that_climb_are_found(sound: Path, tmp_path: Path) -> None:
    def climbing_link(name: str, content: bytes) -> tuple[str, bytes]:
        return name, content.replace(b"Data/CT.nhdr", b"../../../etc/passwd") if name.endswith(".mrml") else content

    path = _rebuilt(sound, tmp_path / "x.mrb", climbing_link)
    assert _codes(path) == {"climbing-link"}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil", b"x")
    assert _codes(path) == {"climbing-link", "climbing-member"}


def test_a_second_scene_is_found(sound: Path, tmp_path: Path) -> None:
    path = _rebuilt(sound, tmp_path / "x.mrb", lambda name, content: (name, content))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.mrml", "<MRML/>")
    assert "scene-count" in _codes(path)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"@graph": 3}'])
def test_a_damaged_crate_is_found(sound: Path, tmp_path: Path, damage: bytes) -> None:
    with ContainerReader(sound) as reader, ContainerWriter(tmp_path / "x.mrb", when=WHEN) as writer:
        for member in reader.members:
            writer.add_bytes(member.name, damage if member.name == CRATE else reader.read(member.name))
    assert "bad-crate" in _codes(tmp_path / "x.mrb")


@pytest.mark.parametrize("where", ["DICOMDIR", "DICOM/IM000001", "mrml", "nhdr"])
def test_nonsense_in_a_member_is_a_finding_and_no_crash(sound: Path, tmp_path: Path, where: str) -> None:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name, bytes(reversed(content)) if name.endswith(where) else content

    assert _codes(_rebuilt(sound, tmp_path / "x.mrb", change))


def test_entities_in_a_scene_are_not_expanded(sound: Path, tmp_path: Path) -> None:
    evil = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><MRML version="&e;"></MRML>'
    path = _rebuilt(sound, tmp_path / "x.mrb", lambda name, c: (name, evil if name.endswith(".mrml") else c))
    assert _codes(path) == {"bad-scene"}


def test_a_foreign_mrb_is_checked_as_far_as_it_goes(sound: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.mrb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "s/s.mrml", '<MRML><NRRDStorage id="a" fileName="Data/v.nrrd"/><Volume references="storage:a;"/></MRML>'
        )
    findings = check(tmp_path / "x.mrb")
    assert [f.code for f in findings] == ["no-crate", "missing-link"]


def test_what_is_no_zip_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "x.mrb").write_bytes(b"no zip")
    with pytest.raises(Unreadable):
        check(tmp_path / "x.mrb")
