"""MetaImage against SimpleITK: real files, files that SimpleITK writes, and hostile headers."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.formats import oracles
from tests.interop import require
from tests.strategies import affines, arrays
from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import Head
from vasculum.formats.metaimage import MetaImage
from vasculum.model.description import Description
from vasculum.model.kinds import Kind

VALUES = bytes(range(24))
SMALL = ["NDims = 3", "DimSize = 4 3 2", "ElementType = MET_UCHAR", "ElementSpacing = 1 2 3"]


def describe(path: Path) -> Description:
    return MetaImage().describe(path)


def codes(description: Description) -> list[str]:
    return [finding.code for finding in description.findings]


def write_text(path: Path, lines: list[str], data: bytes = b"") -> Path:
    path.write_bytes(("\n".join(lines) + "\n").encode() + data)
    return path


def test_real_files_agree_with_simpleitk(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.mh[ad]"))
    assert len(paths) >= 7
    for path in paths:
        assert MetaImage().recognises(Head(path, 1, path.read_bytes()[:4096])), path.name
        compare_with_itk(path)


def compare_with_itk(path: Path) -> Description:
    description = describe(path)
    image = oracles.itk_image(path)
    assert description.geometry is not None
    assert description.voxels is not None
    assert description.geometry.affine == pytest.approx(oracles.itk_affine(image), abs=1e-9), path.name
    values = oracles.itk_values(image, "kji")
    assert np.array_equal(oracles.read(description, path.parent).reshape(values.shape), values), path.name
    return description


@given(st.data(), st.sampled_from(["kji", "kjic", "tkji"]), affines(), st.booleans(), st.sampled_from(["mha", "mhd"]))
def test_what_simpleitk_writes(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    axes: str,
    affine: NDArray[np.float64],
    compressed: bool,
    suffix: str,
) -> None:
    sitk: Any = require("SimpleITK")
    array = data.draw(arrays(axes=axes, dtypes=("u1", "i1", "<i2", "<u2", "<i4", "<f4", "<f8")))
    image = sitk.GetImageFromArray(array, isVector=axes == "kjic")
    axis_count = image.GetDimension()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = np.eye(axis_count)
    direction[:3, :3] = affine[:3, :3] / spacing
    image.SetSpacing([*spacing, 1.0][:axis_count])
    image.SetOrigin([*affine[:3, 3], 0.0][:axis_count])
    image.SetDirection(direction.reshape(-1).tolist())
    path = tmp_path_factory.mktemp("meta") / f"a.{suffix}"
    sitk.WriteImage(image, str(path), useCompression=compressed)
    description = compare_with_itk(path)
    assert description.voxels is not None
    assert description.voxels.axes == axes
    assert description.kind is Kind.VOLUME
    assert [part.role for part in description.parts] == (["data"] if suffix == "mha" else ["header", "voxels"])


@pytest.mark.parametrize("field", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
def test_byte_order(tmp_path: Path, field: str) -> None:
    lines = [*SMALL[:2], "ElementType = MET_USHORT", SMALL[3], f"{field} = True", "ElementDataFile = LOCAL"]
    path = write_text(tmp_path / "a.mha", lines, np.arange(24, dtype=">u2").tobytes())
    assert oracles.read(describe(path), tmp_path).reshape(-1).tolist() == list(range(24))


@pytest.mark.parametrize("skip", [7, -1])
def test_header_size(tmp_path: Path, skip: int) -> None:
    (tmp_path / "a.raw").write_bytes(b"#" * 7 + VALUES)
    path = write_text(tmp_path / "a.mhd", [*SMALL, f"HeaderSize = {skip}", "ElementDataFile = a.raw"])
    assert oracles.read(describe(path), tmp_path).tobytes() == VALUES
    compare_with_itk(path)


@pytest.mark.parametrize(
    "files", [["ElementDataFile = LIST", "s1.raw", "s2.raw"], ["ElementDataFile = s%d.raw 1 2 1"]]
)
def test_lists_of_data_files(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "s1.raw").write_bytes(VALUES[:12])
    (tmp_path / "s2.raw").write_bytes(VALUES[12:])
    path = write_text(tmp_path / "a.mhd", [*SMALL, *files])
    assert oracles.read(describe(path), tmp_path).tobytes() == VALUES
    compare_with_itk(path)


def test_text_voxels(tmp_path: Path) -> None:
    lines = [*SMALL, "BinaryData = False", "ElementDataFile = LOCAL"]
    path = write_text(tmp_path / "a.mha", lines, " ".join(map(str, VALUES)).encode())
    assert oracles.read(describe(path), tmp_path).tobytes() == VALUES


def test_fields_are_kept(shared_data: Path) -> None:
    description = describe(shared_data / "nrrd" / "ITK" / "BrainT1SliceBorder20DirectionPlus30.mhd")
    assert description.attributes["metaimage.AnatomicalOrientation"] == ("??",)
    assert description.attributes["metaimage.CenterOfRotation"] == ("0 0",)


def test_an_intensity_function_is_noted(tmp_path: Path) -> None:
    lines = [*SMALL, "ElementToIntensityFunctionSlope = 2", "ElementDataFile = LOCAL"]
    assert codes(describe(write_text(tmp_path / "a.mha", lines, VALUES))) == ["unapplied-rescale"]


def test_geometry_that_is_missing_or_bad(tmp_path: Path) -> None:
    no_size = write_text(tmp_path / "a.mha", [*SMALL[:3], "ElementDataFile = LOCAL"], VALUES)
    assert codes(describe(no_size)) == ["needs-voxel-size"]
    for field in ("ElementSpacing = nan 1 1", "ElementSpacing = 0 1 1", "ElementSpacing = 1 1", "Offset = a b c"):
        lines = [*SMALL[:3], "ElementSpacing = 1 1 1", field, "ElementDataFile = LOCAL"]
        description = describe(write_text(tmp_path / "b.mha", lines, VALUES))
        assert codes(description) == ["bad-geometry"], field
        assert oracles.read(description, tmp_path).tobytes() == VALUES


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "C:\\x.raw", "..\\secret"])
def test_data_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(VALUES)
    path = write_text(tmp_path / "in" / "a.mhd", [*SMALL, f"ElementDataFile = {name}"])
    with pytest.raises(Unreadable, match="outside its folder"):
        describe(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["NDims = 3", "DimSize = 4 3", "ElementDataFile = LOCAL"],
        ["NDims = 3", "DimSize = 4 3 0", "ElementDataFile = LOCAL"],
        ["NDims = x", "DimSize = 4 3 2", "ElementDataFile = LOCAL"],
        [*SMALL],
        [*SMALL, "ElementNumberOfChannels = 0", "ElementDataFile = LOCAL"],
        [*SMALL, "HeaderSize = -2", "ElementDataFile = LOCAL"],
        [*SMALL, "nonsense", "ElementDataFile = LOCAL"],
        [*SMALL, "ElementDataFile = x%d 1 99999999 1"],
    ],
)
def test_damaged_headers_are_unreadable(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(Unreadable):
        describe(write_text(tmp_path / "a.mha", lines))


def test_what_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        describe(write_text(tmp_path / "a.mha", [*SMALL[:2], "ElementType = MET_STRING", "ElementDataFile = LOCAL"]))
    with pytest.raises(Unsupported):
        lines = ["NDims = 5", "DimSize = 1 1 1 1 1", "ElementType = MET_CHAR", "ElementDataFile = LOCAL"]
        describe(write_text(tmp_path / "a.mha", lines))


def test_truncated_and_missing_voxels(tmp_path: Path) -> None:
    short = describe(write_text(tmp_path / "a.mha", [*SMALL, "ElementDataFile = LOCAL"], VALUES[:-1]))
    assert codes(short) == ["truncated"]
    packed = zlib.compress(VALUES)[:-6]
    lines = [*SMALL, "CompressedData = True", "ElementDataFile = LOCAL"]
    for description in (short, describe(write_text(tmp_path / "b.mha", lines, packed))):
        with pytest.raises(Unreadable):
            oracles.read(description, tmp_path)
    assert codes(describe(write_text(tmp_path / "c.mhd", [*SMALL, "ElementDataFile = gone"]))) == ["missing-part"]


def test_other_text_is_not_recognised() -> None:
    for text in (b"NDims", b"ObjectType = Mesh\nDimSize = 3\n", b"# DimSize\nElementDataFile = x\n"):
        assert not MetaImage().recognises(Head(Path("a.mha"), len(text), text))
