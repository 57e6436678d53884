from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vasculum.errors import Unreadable
from vasculum.formats import scratch
from vasculum.formats.image import Picture
from vasculum.formats.registry import recognise
from vasculum.model.description import Description
from vasculum.model.kinds import Kind

PICTURE = Picture()


def read(path: Path, described: Description | None = None) -> np.ndarray[Any, Any]:
    return PICTURE.read_voxels(described or PICTURE.describe(path), lambda name: path.parent / name)


def codes(described: Description) -> list[str]:
    return [f.code for f in described.findings]


def test_bat_cochlea_is_a_memory_mapped_volume(shared_data: Path) -> None:
    path = next(shared_data.rglob("bat-cochlea_sub25.tif"))
    described = recognise(path).describe(path)
    assert (described.kind, described.voxels.sizes, described.voxels.dtype) == (Kind.VOLUME, (29, 39, 30), "|u1")
    assert codes(described) == ["no-orientation", "needs-voxel-size"]
    array = read(path)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert np.array_equal(array, tifffile.imread(path))


def test_real_pictures(shared_data: Path) -> None:
    for name, mode in (("brainlab.jpg", "JPEG"), ("slicer.png", "PNG")):
        path = next(shared_data.rglob(name))
        described = recognise(path).describe(path)
        assert (described.format, described.kind) == ("image", Kind.IMAGE)
        assert described.attributes["image.format"] == (mode,)
        with Image.open(path) as picture:
            assert np.array_equal(read(path)[0], np.asarray(picture))


types = st.sampled_from(["u1", "i1", "u2", "i2", "u4", "f4", "f8", ">u2", ">f4"])


@given(
    dtype=types,
    shape=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    compression=st.sampled_from([None, "zlib", "lzw", "packbits"]),
    tile=st.booleans(),
    big=st.booleans(),
)
def test_tiff_of_any_type_reads_as_written(
    tmp_path: Path, dtype: str, shape: tuple[int, int, int], compression: str | None, tile: bool, big: bool
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"tile": (16, 16)} if tile else {}
    order = ">" if dtype.startswith(">") else "<"
    tifffile.imwrite(
        path,
        array,
        compression=compression,
        bigtiff=big,
        byteorder=order,
        photometric="minisblack",
        metadata=None,
        **options,
    )
    described = PICTURE.describe(path)
    assert described.voxels is not None
    assert described.voxels.sizes == shape
    assert described.kind is (Kind.VOLUME if shape[0] >= 3 else Kind.IMAGE)
    values = read(path)
    assert values.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert np.array_equal(values, array)


def test_imagej_and_ome_state_the_voxel_size(tmp_path: Path) -> None:
    array = np.zeros((4, 5, 6), np.uint16)
    imagej = tmp_path / "a.tif"
    tifffile.imwrite(
        imagej,
        array,
        imagej=True,
        resolution=(1 / 0.02, 1 / 0.03),
        metadata={"spacing": 0.05, "unit": "mm", "axes": "ZYX"},
    )
    ome = tmp_path / "a.ome.tif"
    physical = {"PhysicalSizeX": 12.5, "PhysicalSizeY": 12.5, "PhysicalSizeZ": 25.0, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(ome, array, ome=True, photometric="minisblack", metadata={"axes": "ZYX", **physical})
    for path, spacing in ((imagej, (0.02, 0.03, 0.05)), (ome, (0.0125, 0.0125, 0.025))):
        described = PICTURE.describe(path)
        assert described.geometry is not None
        assert described.geometry.spacing == pytest.approx(spacing, rel=1e-5)
        assert codes(described) == ["no-orientation"]
        assert described.attributes["image.voxel-size-from"] == ("file",)


def test_resolution_without_a_unit_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.zeros((4, 5, 6), np.uint8), resolution=(72, 72), resolutionunit="INCH", photometric="minisblack"
    )
    assert PICTURE.describe(path).geometry is None


def test_time_channels_and_colours(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.uint16).reshape(2, 3, 2, 4, 5)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": "TZCYX"})
    described = PICTURE.describe(path)
    assert (described.voxels.axes, described.voxels.sizes) == ("tkjic", (2, 3, 4, 5, 2))
    assert np.array_equal(read(path), array.transpose(0, 1, 3, 4, 2))
    colour = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    tifffile.imwrite(tmp_path / "c.tif", colour, photometric="rgb")
    described = PICTURE.describe(tmp_path / "c.tif")
    assert (described.kind, described.voxels.axes) == (Kind.IMAGE, "kjic")
    assert np.array_equal(read(tmp_path / "c.tif"), colour[np.newaxis])


def test_frames_of_imagej_without_a_time_are_slices(tmp_path: Path) -> None:
    array = np.arange(5 * 4 * 6, dtype=np.uint8).reshape(5, 4, 6)
    for axes, extra, kind in (
        ("TYX", {}, Kind.VOLUME),
        ("CYX", {}, Kind.VOLUME),
        ("TYX", {"finterval": 0.5}, Kind.IMAGE),
    ):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, array, imagej=True, metadata={"axes": axes, **extra})
        described = PICTURE.describe(path)
        assert described.kind is kind, axes
        assert ("frames-as-slices" in codes(described)) == (kind is Kind.VOLUME)
        assert np.array_equal(read(path).reshape(array.shape), array)


def test_large_compressed_stacks_go_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 100)
    monkeypatch.setenv("VASCULUM_SCRATCH", str(tmp_path))
    array = np.random.default_rng(0).integers(0, 9, (5, 20, 30), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, compression="zlib", photometric="minisblack")
    values = read(tmp_path / "a.tif")
    base = values
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert np.array_equal(values, array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_modes(tmp_path: Path, mode: str) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    picture = (
        Image.fromarray(values.astype(np.uint16) * 200) if mode == "I;16" else Image.fromarray(values).convert(mode)
    )
    picture.save(tmp_path / "a.png")
    described = PICTURE.describe(tmp_path / "a.png")
    array = read(tmp_path / "a.png")
    assert array.shape == described.voxels.sizes
    if mode in ("L", "I;16", "1"):
        assert np.array_equal(array[0], np.asarray(picture).astype(array.dtype))


def test_bmp_with_a_grey_palette_keeps_its_values(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.bmp")
    described = recognise(tmp_path / "a.bmp").describe(tmp_path / "a.bmp")
    assert described.voxels.axes == "kji"
    assert np.array_equal(read(tmp_path / "a.bmp")[0], values)


def test_png_with_deep_colours_says_that_it_is_reduced(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + b"\x12\x34" * 3)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert codes(PICTURE.describe(tmp_path / "a.png")) == ["reduced-depth"]


def test_pictures_that_lie_about_their_size_are_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(Unreadable):
        PICTURE.describe(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((60000, 8), np.uint8), compression="zlib", photometric="minisblack")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    (ifd,) = struct.unpack_from("<I", content, 4)
    for entry in range(struct.unpack_from("<H", content, ifd)[0]):
        at = ifd + 2 + 12 * entry
        if struct.unpack_from("<H", content, at)[0] == 256:  # ImageWidth
            struct.pack_into("<HI", content, at + 2, 4, 1)
            struct.pack_into("<I", content, at + 8, 60000)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(Unreadable):
        PICTURE.describe(tmp_path / "a.tif")


def test_a_picture_that_changed_since_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path)
    described = PICTURE.describe(path)
    Image.new("L", (5, 4)).save(path)
    with pytest.raises(Unreadable):
        read(path, described)


def test_an_ome_header_does_not_lead_to_other_files(tmp_path: Path) -> None:
    other, path = tmp_path / "other.ome.tif", tmp_path / "a.ome.tif"
    tifffile.imwrite(
        other, np.ones((2, 4, 4), np.uint8), ome=True, photometric="minisblack", metadata={"axes": "ZYX"}
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYZCT" ID="Pixels:0" SizeC="1" SizeT="1" SizeX="4" SizeY="4" SizeZ="3" Type="uint8">'
        '<TiffData FirstZ="0" IFD="0"/><TiffData FirstZ="1" IFD="0"><UUID FileName="other.ome.tif">urn:uuid:1</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.zeros((1, 4, 4), np.uint8), description=xml, metadata=None, photometric="minisblack")
    try:
        described = PICTURE.describe(path)
    except Unreadable:
        return
    assert not read(path, described).any()
