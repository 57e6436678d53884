"""Containers: the scenes that Slicer saves as one file (MRB), and other zips that hold data.

Names are judged before anything is unpacked: what is absolute, climbs, links, is encrypted or collides is not listed,
and says so. Unpacking streams, and stops where a member grows beyond what it declared or is allowed.
"""

from __future__ import annotations

import errno
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from vasculum.errors import NotFound, Unreadable
from vasculum.formats.base import Head
from vasculum.formats.zip_head import is_office
from vasculum.model.description import Description, Finding, Part
from vasculum.model.kinds import Kind, Severity

MEMBERS_MOST = 200_000
BOMB_RATIO = 1000
"""A member that unpacks to more than so many times its packed size, and more than `BOMB_BYTES`, is refused."""
BOMB_BYTES = 50 * 1024 * 1024

_CHUNK = 1024 * 1024
_OFFICE_ENDINGS = (".xlsx", ".xlsm", ".docx", ".pptx", ".odt", ".ods", ".odp", ".npz", ".jar", ".whl")
# Not LZMA: a header can make its decoder ask for gigabytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_NESTED = (".zip", ".mrb", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")
_WHY = {
    "absolute-member": "have absolute names",
    "climbing-member": "have names that climb out of the archive",
    "linked-member": "are links or devices",
    "encrypted-member": "are encrypted",
    "doubled-member": "have the name of another one, or differ from it in case only",
    "unsupported-compression": "are compressed in a way that is not read",
}


@dataclass(frozen=True, slots=True)
class ZipArchive:
    """MRB and zip."""

    name: str = "zip"

    def recognises(self, head: Head) -> bool:
        """A zip that is no office document; or a file called ``.mrb`` with a zip at its end."""
        if head.start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK00PK\x03\x04")):
            return not head.suffixes.endswith(_OFFICE_ENDINGS) and not is_office(head.start)
        return head.suffixes.endswith(".mrb") and zipfile.is_zipfile(head.path)

    def describe(self, path: Path) -> Description:
        """List the members that are safe to unpack; with a scene among them it is one."""
        with Archive(path) as archive:
            archive.refuse_bombs()
            scenes = [m for m in archive.members if m.lower().endswith(".mrml")]
            findings = [*archive.findings(), *_scene_findings(path, archive.members, scenes)]
            scene = bool(scenes)
            return Description(
                format=self.name,
                kind=Kind.SCENE if scene else Kind.DOCUMENT,
                parts=(Part(name=path.name),),
                title=path.stem,
                attributes={"archive.members": (len(archive.members),), "archive.bytes": (archive.unpacked_bytes,)},
                members=archive.members,
                findings=tuple(findings),
            )


FORMATS = (ZipArchive(),)


class Archive:
    """An open zip. Use as a context manager.

    Raises
    ------
    Unreadable
        The zip is damaged or has too many members.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _typed_errors():
            self._zip = zipfile.ZipFile(path)
        entries = self._zip.infolist()
        if len(entries) > MEMBERS_MOST:
            self._zip.close()
            raise Unreadable(f"the archive lists more than {MEMBERS_MOST} members")
        self._safe: dict[str, zipfile.ZipInfo] = {}
        self._left_out: Counter[str] = Counter()
        self._sort(entries)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    @property
    def members(self) -> tuple[str, ...]:
        """Names that are safe to unpack, in the order of the archive; no folders."""
        return tuple(self._safe)

    @property
    def unpacked_bytes(self) -> int:
        """What the safe members declare to take when unpacked."""
        return sum(entry.file_size for entry in self._safe.values())

    def findings(self) -> tuple[Finding, ...]:
        """Say which members are not listed, and why."""
        return tuple(
            Finding(code=code, text=f"{count} members of the archive {_WHY[code]}; they are not read")
            for code, count in self._left_out.items()
        )

    def refuse_bombs(self, limit_bytes: int | None = None) -> None:
        """Refuse an archive of which a member would grow beyond reason, by what it declares.

        Raises
        ------
        Unreadable
            A member, or the whole, is larger than its limits.
        """
        for entry in self._safe.values():
            if _is_bomb(entry.file_size, entry.compress_size):
                raise Unreadable(
                    f"a member of the archive would unpack from {entry.compress_size} to {entry.file_size} bytes",
                    hint="if it is meant to, unpack it yourself and import the folder",
                )
        packed = self.path.stat().st_size
        if _is_bomb(self.unpacked_bytes, packed) or (limit_bytes is not None and self.unpacked_bytes > limit_bytes):
            raise Unreadable(f"the archive would unpack from {packed} to {self.unpacked_bytes} bytes")

    def size(self, member: str) -> int:
        """Bytes that a member declares to take."""
        return self._entry(member).file_size

    def extract(self, member: str, target: Path, limit_bytes: int) -> int:
        """Unpack one member into a new file, and give its size. Its checksum is verified.

        Raises
        ------
        NotFound
            No such member, or it is not safe.
        Unreadable
            It is damaged, larger than declared, larger than the limit, or a bomb; nothing is left at `target`.
        """
        entry = self._entry(member)
        if entry.file_size > limit_bytes:
            raise Unreadable(
                f"a member of the archive takes {entry.file_size} bytes, more than the limit of {limit_bytes}"
            )
        if _is_bomb(entry.file_size, entry.compress_size):
            raise Unreadable(f"a member of the archive would unpack to {entry.file_size} bytes")
        with target.open("xb") as out:
            try:
                with _typed_errors(), self._zip.open(entry) as stream:
                    return _copy(stream, out, entry)
            except BaseException:
                out.close()
                target.unlink(missing_ok=True)
                raise

    def _entry(self, member: str) -> zipfile.ZipInfo:
        if member not in self._safe:
            raise NotFound("the archive has no such member that is safe to unpack")
        return self._safe[member]

    def _sort(self, entries: list[zipfile.ZipInfo]) -> None:
        folded: set[str] = set()
        for entry in entries:
            if entry.is_dir():
                continue
            reason = _why_not(entry)
            name = entry.filename.replace("\\", "/").casefold()
            if not reason and name in folded:
                reason = "doubled-member"
            if reason:
                self._left_out[reason] += 1
            else:
                folded.add(name)
                self._safe[entry.filename] = entry


def extract(path: Path, member: str, target: Path, limit_bytes: int) -> int:
    """Unpack one member of an archive; see `Archive.extract`. For many members, open an `Archive` once."""
    with Archive(path) as archive:
        return archive.extract(member, target, limit_bytes)


def refuse_bombs(path: Path, limit_bytes: int) -> None:
    """Refuse a zip that would unpack beyond its limits, by what it declares."""
    with Archive(path) as archive:
        archive.refuse_bombs(limit_bytes)


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn whatever zipfile raises on damaged input into `Unreadable`."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as e:
        if isinstance(e, Unreadable):
            raise
        raise Unreadable("the archive is damaged") from None
    except OSError as e:
        if e.errno not in (None, errno.EINVAL):  # bz2 gives no number; a wrong offset leads to an invalid seek
            raise
        raise Unreadable("the archive is damaged") from None


def _copy(stream: Any, out: Any, entry: zipfile.ZipInfo) -> int:
    written = 0
    while chunk := stream.read(_CHUNK):
        written += len(chunk)
        if written > entry.file_size:
            raise Unreadable("a member of the archive is larger than it declares")
        out.write(chunk)
    if written != entry.file_size:
        raise Unreadable("a member of the archive is shorter than it declares")
    return written


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed


def _why_not(entry: zipfile.ZipInfo) -> str:
    """Say why a member must not be unpacked; empty if it may."""
    name = entry.filename.replace("\\", "/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "absolute-member"
    if ".." in name.split("/"):
        return "climbing-member"
    if kind not in (0, stat.S_IFREG):
        return "linked-member"
    if entry.flag_bits & 0x1:
        return "encrypted-member"
    return "" if entry.compress_type in _METHODS else "unsupported-compression"


def _scene_findings(path: Path, members: tuple[str, ...], scenes: list[str]) -> list[Finding]:
    findings = []
    if path.name.lower().endswith(".mrb") and not scenes:
        findings.append(Finding(code="no-scene", text="the file is called .mrb, but no scene (.mrml) is in it"))
    if len(scenes) > 1:
        text = f"{len(scenes)} scenes are in the archive; Slicer opens one of them"
        findings.append(Finding(code="several-scenes", text=text))
    nested = sum(m.lower().endswith(_NESTED) for m in members)
    if nested:
        text = f"{nested} archives are inside the archive; they are kept as they are"
        findings.append(Finding(code="nested-archive", text=text, severity=Severity.NOTE))
    if not members:
        findings.append(Finding(code="empty-archive", text="the archive has no members that can be read"))
    return findings
