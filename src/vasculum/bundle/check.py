"""Checking a bundle: every byte and every link."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vasculum.errors import Unreadable, VasculumError
from vasculum.model.description import Description, Finding
from vasculum.model.kinds import Severity

from .container import ContainerReader
from .crate import CRATE_NAME, file_id
from .digest import BackgroundDigest
from .inspection import read_crate
from .mirror import Mirror, inside

PIXEL_ELEMENTS = {0x0010: b"OBOW", 0x0008: b"OF", 0x0009: b"OD"}
"""Elements of group 7FE0 that hold native pixels, with their value representations."""

_HEAD = struct.Struct("<HH2s2xI")
DIRECTION_TOLERANCE_MM = 1e-3


def check(path: str | Path) -> list[Finding]:
    """Verify a bundle; an empty list means that it is sound.

    Every member is read: CRC, and SHA-256 where an RO-Crate names it. Detached headers must point at pixels of the same
    type, number and place; links of the scene and of the DICOM directory must end inside the file.

    Raises
    ------
    Unreadable
        It is not a zip at all.
    """
    with ContainerReader(Path(path)) as reader:
        mirror = Mirror(reader)
        try:
            return [
                *_names(reader),
                *_bytes(reader),
                *_scene(reader, mirror),
                *_headers(reader, mirror),
                *_directory(reader, mirror),
            ]
        finally:
            mirror.close()


def _error(code: str, text: str) -> Finding:
    return Finding(code=code, text=text, severity=Severity.ERROR)


def _names(reader: ContainerReader) -> Iterator[Finding]:
    for name in reader.unsafe:
        yield _error("climbing-member", f"member {name!r} is absolute, climbs out or is a link")
    for name in reader.doubled:
        yield _error("doubled-member", f"there are two members called {name!r}")


def _bytes(reader: ContainerReader) -> Iterator[Finding]:
    """Compare every byte with its CRC, and with the SHA-256 that the crate names."""
    crate = read_crate(reader)
    if CRATE_NAME in reader and not crate:
        yield _error("bad-crate", f"{CRATE_NAME} cannot be read")
    elif not crate:
        text = "there is no RO-Crate: bytes are checked by CRC only"
        yield Finding(code="no-crate", text=text, severity=Severity.NOTE)
    for member in reader.members:
        entity = crate.pop(file_id(member.name), None)
        try:
            with BackgroundDigest() as digest:
                for chunk in reader.stream(member.name):
                    digest.update(chunk)
                sha256 = digest.hexdigest()
        except VasculumError as error:
            yield _error("damaged-member", error.message)
            continue
        if entity is not None and entity.get("sha256") != sha256:
            yield _error("wrong-digest", f"member {member.name!r} is not what the RO-Crate says (SHA-256)")
        if entity is None and crate and member.name != CRATE_NAME:
            yield Finding(code="unlisted-member", text=f"member {member.name!r} is not in the RO-Crate")
    for name in crate:
        yield _error("missing-member", f"the RO-Crate names {name!r}, which is not there")


def _scene(reader: ContainerReader, mirror: Mirror) -> Iterator[Finding]:
    from vasculum.formats.mrml import read_scene

    scenes = [m.name for m in reader.members if m.name.lower().endswith(".mrml")]
    if len(scenes) != 1:
        yield _error("scene-count", f"there are {len(scenes)} scenes (.mrml); Slicer wants exactly one")
    for scene in scenes:
        try:
            nodes = read_scene(mirror.path(scene))
        except VasculumError as error:
            yield _error("bad-scene", f"the scene cannot be read: {error.message}")
            continue
        for target in (file for node in nodes for file in node.files):
            yield from _link(reader, scene, target)


def _link(reader: ContainerReader, base: str, target: str) -> Iterator[Finding]:
    try:
        name = inside(base, target)
    except Unreadable:
        yield _error("climbing-link", f"{base!r} points out of the file: {target!r}")
        return
    if name not in reader:
        yield _error("missing-link", f"{base!r} points to {target!r}, which is not there")


def _headers(reader: ContainerReader, mirror: Mirror) -> Iterator[Finding]:
    """Check that detached headers tell the truth about the files they point into."""
    for member in reader.members:
        if not member.name.lower().endswith(".nhdr") or member.name.startswith("original/"):
            continue
        try:
            description, _ = mirror.describe(member.name)
        except (VasculumError, OSError, ValueError) as error:
            text = error.message if isinstance(error, VasculumError) else type(error).__name__
            yield _error("bad-header", f"header {member.name!r}: {text}")
            continue
        voxels = description.voxels
        if voxels is None or len(voxels.blocks) != 1:
            continue
        target = voxels.blocks[0].part
        if target.startswith("DICOM/") and reader.offset(target) is not None:
            start = voxels.blocks[0].offset - (reader.offset(target) or 0)
            for text in _untruths(reader, description, target, start):
                yield _error("untrue-header", f"header {member.name!r}: {text}")


def _untruths(reader: ContainerReader, nhdr: Description, target: str, start: int) -> Iterator[str]:
    """Say where an NRRD header and the DICOM file that it points into differ."""
    assert nhdr.voxels is not None
    wanted = int(np.prod(nhdr.voxels.sizes)) * np.dtype(nhdr.voxels.dtype).itemsize
    content = reader.bytes_of(target)
    if start < _HEAD.size or start + wanted > len(content):
        yield f"its voxels do not lie inside {target!r}"
        return
    group, element, vr, length = _HEAD.unpack(content[start - _HEAD.size : start].tobytes())
    if group != 0x7FE0 or vr not in PIXEL_ELEMENTS.get(element, b"") or len(vr.strip()) < 2:
        yield f"no pixel element begins {_HEAD.size} bytes before byte {start} of {target!r}"
        return
    if length != wanted + wanted % 2:
        yield f"the pixels of {target!r} have {length} bytes, not {wanted}"
    if start + length != len(content):
        yield f"the pixels are not the last element of {target!r}"
    dicom = _describe_dicom(content, start)
    if isinstance(dicom, str):
        yield f"{target!r} {dicom}"
        return
    yield from _differences(nhdr, dicom, target)


def _describe_dicom(content: Any, start: int) -> Description | str:
    """Describe a DICOM file by its header; its pixels are a hole in a file of the same length."""
    import tempfile

    from vasculum.formats.dicom import DicomFormat

    with tempfile.TemporaryDirectory(prefix="vasculum-") as folder:
        path = Path(folder) / "image"
        with path.open("wb") as stream:
            stream.write(content[:start].tobytes())
            stream.truncate(len(content))
        try:
            return DicomFormat().describe(path)
        except (VasculumError, ValueError, OSError) as error:
            return f"cannot be read: {type(error).__name__}"


def _differences(nhdr: Description, dicom: Description, target: str) -> Iterator[str]:
    if dicom.voxels is None or nhdr.voxels is None:
        yield f"{target!r} has no pixels that can be described"
        return
    if np.dtype(dicom.voxels.dtype) != np.dtype(nhdr.voxels.dtype):
        yield f"type {nhdr.voxels.dtype} is said, {target!r} has {dicom.voxels.dtype}"
    if dicom.voxels.slope != 1 or dicom.voxels.intercept != 0:
        yield f"{target!r} has a rescale, which NRRD cannot say"
    if tuple(dicom.voxels.sizes) != tuple(nhdr.voxels.sizes):
        yield f"sizes {nhdr.voxels.sizes} are said, {target!r} has {dicom.voxels.sizes}"
    elif dicom.geometry and nhdr.geometry and not dicom.geometry.same_space(nhdr.geometry, DIRECTION_TOLERANCE_MM):
        yield f"the voxels of {target!r} lie elsewhere"


def _directory(reader: ContainerReader, mirror: Mirror) -> Iterator[Finding]:
    """Check that the DICOM directory lists exactly the DICOM files."""
    images = {m.name for m in reader.members if m.name.startswith("DICOM/")}
    if "DICOMDIR" not in reader:
        if images:
            yield _error("no-directory", "there are DICOM files but no DICOMDIR")
        return
    try:
        listed = _file_ids(mirror.path("DICOMDIR"))
    except (VasculumError, ValueError, KeyError, TypeError, OSError):
        yield _error("bad-directory", "the DICOMDIR cannot be read")
        return
    for name in sorted(listed - images):
        yield _error("missing-member", f"the DICOMDIR lists {name!r}, which is not there")
    for name in sorted(images - listed):
        yield _error("unlisted-image", f"the DICOMDIR does not list {name!r}")


def _file_ids(path: Path) -> set[str]:
    """Referenced File IDs (0004,1500) of a DICOM directory, with slashes."""
    from vasculum.dicom.json import unpack_json
    from vasculum.formats.dicom import DicomFormat

    header = unpack_json(DicomFormat().describe(path).header)
    records = header.get("00041220", {}).get("Value", ())
    return {"/".join(r["00041500"]["Value"]) for r in records if "00041500" in r}
