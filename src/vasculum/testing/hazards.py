"""Hostile files: bombs, lies about lengths, loops, climbing names. For tests of whatever reads untrusted input.

Every one is small on disk and made from scratch, byte by byte; none holds anything of a person.
"""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

MEBIBYTE = 2**20

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
UNDEFINED = 0xFFFFFFFF

Maker = Callable[[], bytes]


def write_hazards(folder: Path) -> dict[str, Path]:
    """Write every hostile file into a folder; give them by name."""
    made = {}
    for name, make in HAZARDS.items():
        made[name] = folder / name
        made[name].write_bytes(make())
    return made


# --- DICOM -----------------------------------------------------------------------------------------------------------


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """Write an element in explicit VR little endian; `length` is what it claims."""
    value += b"\0" * (len(value) % 2)
    said = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    long = vr in {"OB", "OW", "SQ", "UN", "UT"}
    return head + (struct.pack("<HI", 0, said) if long else struct.pack("<H", said)) + value


def part10(body: bytes, syntax: str = EXPLICIT, preamble: bytes = bytes(128), instance: str = "2.25.1") -> bytes:
    """Put a preamble and File Meta Information (PS3.10 section 7.1) before a data set."""
    meta = b"".join(
        (
            element(0x00020001, "OB", b"\0\1"),
            element(0x00020002, "UI", CT.encode()),
            element(0x00020003, "UI", instance.encode()),
            element(0x00020010, "UI", syntax.encode()),
            element(0x00020012, "UI", b"2.25.2"),
        )
    )
    return preamble + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + body


def image(pixels: bytes, *, rows: int = 4, columns: int = 4, frames: int = 0, instance: str = "2.25.1") -> bytes:
    """Write a small CT image; `pixels` is the whole Pixel Data element."""
    number = [(0x00280010, rows), (0x00280011, columns), (0x00280100, 16), (0x00280101, 16), (0x00280102, 15)]
    body = [
        element(0x00080016, "UI", CT.encode()),
        element(0x00080018, "UI", instance.encode()),
        element(0x00080060, "CS", b"CT"),
        element(0x0020000D, "UI", b"2.25.3"),
        element(0x0020000E, "UI", b"2.25.4"),
        element(0x00200032, "DS", b"0\\0\\0"),
        element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0"),
        element(0x00280002, "US", b"\1\0"),
        element(0x00280004, "CS", b"MONOCHROME2"),
        *([element(0x00280008, "IS", str(frames).encode())] if frames else []),
        *(element(tag, "US", struct.pack("<H", value)) for tag, value in number[:2]),
        element(0x00280030, "DS", b"1\\1"),
        *(element(tag, "US", struct.pack("<H", value)) for tag, value in number[2:]),
        element(0x00280103, "US", b"\0\0"),
        pixels,
    ]
    return b"".join(body)


def _pixels() -> bytes:
    return element(0x7FE00010, "OW", bytes(32))


def _deflate_bomb() -> bytes:
    head = element(0x00091001, "OB", b"", length=1024 * MEBIBYTE)
    return part10(deflated_zeros(1024, start=head), DEFLATED)


def _deep_nest() -> bytes:
    opening = element(0x0040A730, "SQ", b"", length=UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
    return part10(opening * 20_000)


def _many_items() -> bytes:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 200_000
    return part10(element(0x0040A730, "SQ", items, length=UNDEFINED))


def _rle_lie() -> bytes:
    segment = struct.pack("<16I", 2, 64, 66, *([0] * 13)) + b"\x81\x00" * 8
    fragments = struct.pack("<HHI", 0xFFFE, 0xE000, 0) + struct.pack("<HHI", 0xFFFE, 0xE000, len(segment)) + segment
    ended = fragments + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return part10(image(element(0x7FE00010, "OW", ended, length=UNDEFINED), rows=65535, columns=65535), RLE)


def _directory_loop() -> bytes:
    record = b"".join(
        (
            element(0x00041400, "UL", struct.pack("<I", 0x1C8)),
            element(0x00041410, "US", b"\xff\xff"),
            element(0x00041420, "UL", struct.pack("<I", 0x1C8)),
            element(0x00041430, "CS", b"PATIENT"),
            element(0x00041500, "CS", b"..\\..\\..\\ETC\\PASSWD"),
        )
    )
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(record)) + record
    body = element(0x00041130, "CS", b"LOOP") + element(0x00041200, "UL", struct.pack("<I", 0x1C8))
    return part10(body + element(0x00041220, "SQ", item)).replace(CT.encode(), b"1.2.840.10008.1.3.10\0\0\0\0\0")


# --- streams and containers ------------------------------------------------------------------------------------------


@cache
def _zero_block() -> bytes:
    """One mebibyte of zeros, deflated and flushed so that copies of it can stand in a row."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(bytes(MEBIBYTE)) + engine.flush(zlib.Z_FULL_FLUSH)


def deflated_zeros(mebibytes: int, start: bytes = b"") -> bytes:
    """Give a raw deflate stream of `start` and that many mebibytes of zeros."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = engine.compress(start) + engine.flush(zlib.Z_FULL_FLUSH)
    return begin + _zero_block() * mebibytes + engine.flush(zlib.Z_FINISH)


def gzipped_zeros(mebibytes: int, start: bytes = b"") -> bytes:
    """Give gzip members that unpack to `start` and that many mebibytes of zeros."""
    piece = gzip.compress(bytes(64 * MEBIBYTE), 9)
    return (gzip.compress(start) if start else b"") + piece * (mebibytes // 64)


def zip_of(members: Iterable[tuple[str, bytes, int, int, int]]) -> bytes:
    """Write a zip by hand.

    Parameters
    ----------
    members
        Name, raw bytes as stored, method, the size it claims, and Unix mode.
    """
    body, directory, count = b"", b"", 0
    for name, raw, method, size, mode in members:
        fields = struct.pack("<HHHHHIIIHH", 20, 0x800, method, 0, 33, 0, len(raw), size, len(name.encode()), 0)
        central = struct.pack("<IH", 0x02014B50, 0x0314) + fields
        directory += central + struct.pack("<HHHII", 0, 0, 0, mode << 16, len(body)) + name.encode()
        body += struct.pack("<I", 0x04034B50) + fields + name.encode() + raw
        count += 1
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def _stored(name: str, raw: bytes, mode: int = 0o100644) -> tuple[str, bytes, int, int, int]:
    return name, raw, zipfile.ZIP_STORED, len(raw), mode


def _bomb(name: str, mebibytes: int, claimed: int | None = None) -> tuple[str, bytes, int, int, int]:
    size = mebibytes * MEBIBYTE if claimed is None else claimed
    return name, deflated_zeros(mebibytes), zipfile.ZIP_DEFLATED, size, 0o100644


def _scene() -> tuple[str, bytes, int, int, int]:
    return _stored("scene/scene.mrml", b'<?xml version="1.0"?><MRML version="Slicer 5.8"></MRML>')


def _workbook_bomb() -> bytes:
    types = (
        b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        b'spreadsheetml.sheet.main+xml"/></Types>'
    )
    return zip_of((_stored("[Content_Types].xml", types), _bomb("xl/workbook.xml", 1024)))


# --- grids, pictures, meshes, texts ----------------------------------------------------------------------------------


def _nrrd(fields: str, payload: bytes = b"") -> bytes:
    return f"NRRD0004\ntype: uint8\n{fields}\n\n".encode() + payload


def _nifti(shape: tuple[int, int, int], magic: bytes = b"n+1\0") -> bytes:
    dim = struct.pack("<8h", 3, *shape, 1, 1, 1, 1)
    head = struct.pack("<I", 348) + bytes(36) + dim + bytes(14) + struct.pack("<hh", 16, 32) + bytes(2)
    head += struct.pack("<8f", 1, 1, 1, 1, 0, 0, 0, 0) + struct.pack("<f", 352)
    return head.ljust(344, b"\0") + magic + bytes(4)


def _png_lie() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def _tiff_loop() -> bytes:
    """A directory whose successor is itself."""
    entries = ((256, 4, 4), (257, 4, 4), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (279, 4, 16))
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return (b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 8)).ljust(300, b"\0")


def _tiff_lie() -> bytes:
    entries = (
        (256, 4, 2**31),
        (257, 4, 2**31),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 200),
        (279, 4, 2**31),
    )
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return (b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0)).ljust(300, b"\0")


def _entities() -> bytes:
    first = '<!ENTITY a0 "lollollollol">'
    rest = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 11))
    return f'<?xml version="1.0"?><!DOCTYPE MRML [{first}{rest}]><MRML>&a10;</MRML>'.encode()


def _external_entity() -> bytes:
    return b'<?xml version="1.0"?><!DOCTYPE M [<!ENTITY x SYSTEM "file:///etc/passwd">]><MRML a="1">&x;</MRML>'


def _deep_markups() -> bytes:
    schema = (
        "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/x.json#"
    )
    start = json.dumps({"@schema": schema})[:-1]
    return f'{start},"markups":{"[" * 100_000}'.encode()


def _vtk_lie() -> bytes:
    return b"# vtk DataFile Version 3.0\nx\nBINARY\nDATASET POLYDATA\nPOINTS 4000000000 float\n" + bytes(64)


def _ply_lie() -> bytes:
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\n"
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    return f"{head}{axes}end_header\n".encode() + bytes(64)


HAZARDS: dict[str, Maker] = {
    "deflate_bomb.dcm": _deflate_bomb,
    "deep_nest.dcm": _deep_nest,
    "many_items.dcm": _many_items,
    "length_lie.dcm": lambda: part10(element(0x7FE00010, "OW", b"x" * 100, length=0xFFFFFFF0)),
    "text_length_lie.dcm": lambda: part10(element(0x00104000, "UT", b"x" * 100, length=0x7FFFFFF0)),
    "rle_65535.dcm": _rle_lie,
    "frames_2e9.dcm": lambda: part10(image(_pixels(), frames=2_000_000_000)),
    "rows_65535.dcm": lambda: part10(image(_pixels(), rows=65535, columns=65535)),
    "executable_preamble.dcm": lambda: part10(image(_pixels()), preamble=b"MZ".ljust(128, b"\0")),
    "climbing_uid.dcm": lambda: part10(image(_pixels(), instance="../../../../tmp/pwned")),
    "DICOMDIR": _directory_loop,
    "climbing_name.mrb": lambda: zip_of((_scene(), _stored("../../../../tmp/pwned_by_mrb", b"x"))),
    "absolute_name.mrb": lambda: zip_of((_scene(), _stored("/tmp/pwned_by_mrb", b"x"))),  # noqa: S108
    "drive_name.mrb": lambda: zip_of((_scene(), _stored("C:\\pwned_by_mrb", b"x"))),
    "bomb.mrb": lambda: zip_of((_scene(), _bomb("scene/Data/a.nrrd", 2048))),
    "size_lie.mrb": lambda: zip_of((_scene(), _bomb("scene/Data/a.nrrd", 512, claimed=100))),
    "nested_bomb.zip": lambda: zip_of([_stored(f"{n}.zip", zip_of((_bomb("b", 64),))) for n in range(16)]),
    "link.mrb": lambda: zip_of((_scene(), _stored("scene/Data/link", b"/etc/passwd", 0o120777))),
    "doubled_name.mrb": lambda: zip_of((_scene(), _stored("scene/a.txt", b"1"), _stored("scene/a.txt", b"2"))),
    "torn.mrb": lambda: zip_of((_scene(), _stored("scene/a.txt", b"1" * 5000)))[:-200],
    "workbook_bomb.xlsx": _workbook_bomb,
    "external_entity.mrml": _external_entity,
    "entities.mrml": _entities,
    "bomb.nrrd": lambda: _nrrd(
        "dimension: 3\nsizes: 1024 1024 4096\nencoding: gzip\nspace: left-posterior-superior\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)",
        gzipped_zeros(4096),
    ),
    "sizes_lie.nrrd": lambda: _nrrd("dimension: 3\nsizes: 999999999 999999999 999999999\nencoding: raw", b"x" * 64),
    "climbing_path.nhdr": lambda: _nrrd(f"dimension: 1\nsizes: 100\nencoding: raw\ndata file: {'../' * 8}etc/passwd"),
    "endless_list.nhdr": lambda: _nrrd(
        "dimension: 3\nsizes: 2 2 2000000000\nencoding: raw\ndata file: s%d.raw 1 2000000000 1 2"
    ),
    "not_a_number.nrrd": lambda: _nrrd(
        "dimension: 3\nsizes: 2 2 2\nencoding: raw\nspace: left-posterior-superior\n"
        "space directions: (nan,0,0) (0,1,0) (0,0,1)\nspace origin: (inf,0,0)",
        bytes(8),
    ),
    "no_slices.nrrd": lambda: _nrrd("dimension: 3\nsizes: 4 4 0\nencoding: raw"),
    "bomb.nii.gz": lambda: gzipped_zeros(7168, start=_nifti((1000, 1000, 2000))),
    "shape_lie.nii": lambda: _nifti((32767, 32767, 32767)),
    "climbing_path.mhd": lambda: (
        b"ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\n"
        b"ElementDataFile = ../../../../etc/passwd\n"
    ),
    "size_lie.png": _png_lie,
    "loop.tif": _tiff_loop,
    "size_lie.tif": _tiff_lie,
    "deep.mrk.json": _deep_markups,
    "count_lie.stl": lambda: bytes(80) + struct.pack("<I", 0xFFFFFFF0) + bytes(50),
    "count_lie.ply": _ply_lie,
    "count_lie.vtk": _vtk_lie,
    "one_line.csv": lambda: b'"' + b"x" * (20 * MEBIBYTE),
    "many_columns.csv": lambda: b"," * (5 * MEBIBYTE) + b"\n",
}
"""Name → how to make it."""
