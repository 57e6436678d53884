"""NRRD against SimpleITK on real files, round trips, every encoding and space, and hostile headers."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.formats import oracles
from tests.strategies import affines, arrays
from vasculum.errors import Invalid, Unreadable, Unsupported
from vasculum.formats import nrrd
from vasculum.formats.nrrd import Nrrd
from vasculum.model.description import Description
from vasculum.model.geometry import Geometry
from vasculum.model.kinds import Kind

REFUSED = {"BallBinary30x30x30_byteskip_minus_five.nhdr": "byte skip below -1 has no meaning"}
NOT_IN_ITK = {
    "BallBinary30x30x30_bz2.nrrd": "ITK is built without bzip2",
    "test1d_ascii.nrrd": "ITK reads no image of one axis",
    "test_customFields.nrrd": "ITK reads no image of one axis",
}


def describe(path: Path) -> Description:
    return Nrrd().describe(path)


def codes(description: Description) -> list[str]:
    return [finding.code for finding in description.findings]


def write_text(path: Path, lines: list[str], data: bytes = b"") -> Path:
    path.write_bytes(("\n".join(["NRRD0004", *lines]) + "\n\n").encode() + data)
    return path


SMALL = ["type: uint8", "dimension: 3", "sizes: 4 3 2", "encoding: raw"]
LPS = ["space: left-posterior-superior", "space directions: (1,0,0) (0,2,0) (0,0,3)", "space origin: (10,20,30)"]
VALUES = bytes(range(24))


def test_real_files_agree_with_simpleitk(shared_data: Path) -> None:
    """Voxels and affine of every NRRD; each exception is explained above."""
    paths = sorted(p for p in shared_data.rglob("*") if p.suffix in {".nrrd", ".nhdr"})
    assert len(paths) >= 39
    compared = 0
    for path in paths:
        if path.name in REFUSED:
            with pytest.raises(Unreadable):
                describe(path)
            continue
        description = describe(path)
        array = oracles.read(description, path.parent)
        assert description.voxels is not None
        assert array.shape == description.voxels.sizes
        if path.name in NOT_IN_ITK:
            continue
        image = oracles.itk_image(path)
        assert description.geometry is not None, path.name
        assert description.geometry.affine == pytest.approx(oracles.itk_affine(image), abs=1e-12), path.name
        assert np.array_equal(array, oracles.itk_values(image, description.voxels.axes)), path.name
        compared += 1
    assert compared >= 35


def test_bzip2_is_the_ball_of_the_other_encodings(shared_data: Path) -> None:
    folder = shared_data / "nrrd" / "pynrrd"
    ball = oracles.read(describe(folder / "BallBinary30x30x30.nrrd"), folder)
    assert np.array_equal(oracles.read(describe(folder / "BallBinary30x30x30_bz2.nrrd"), folder), ball)


def test_custom_fields_are_kept(shared_data: Path) -> None:
    description = describe(shared_data / "nrrd" / "pynrrd" / "test_customFields.nrrd")
    assert description.attributes["nrrd.int"] == (" 24",)
    assert description.attributes["nrrd.double matrix"] == (" (1.2,0.3,0) (0,1.5,0) (0,-0.55,1.6)",)
    assert description.kind is Kind.DOCUMENT


def test_diffusion_gradients_become_time(shared_data: Path) -> None:
    description = describe(shared_data / "nrrd" / "Slicer" / "multishell-DWI-451dir.nhdr")
    assert description.voxels is not None
    assert (description.voxels.axes, description.voxels.sizes, description.voxels.order) == (
        "tkji",
        (451, 2, 7, 7),
        "kjit",
    )
    gradients = [name for name in description.attributes if name.startswith("nrrd.DWMRI_gradient_")]
    assert len(gradients) == 451
    assert description.attributes["nrrd.measurement frame"] == ("(-1,0,0) (0,-1,0) (0,0,1)",)
    assert description.modality == "MR"
    assert [part.role for part in description.parts] == ["header", "voxels"]


@given(st.data(), st.sampled_from(["kji", "tkji", "kjic", "tkjic"]), affines(), st.sampled_from(["raw", "gzip"]))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    axes: str,
    affine: NDArray[np.float64],
    encoding: str,
) -> None:
    array = data.draw(arrays(axes=axes))
    geometry = Geometry.from_affine(affine, spatial(array.shape, axes))
    text = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))
    keys = data.draw(st.dictionaries(st.from_regex(r"[a-z][a-z. ]{0,8}[a-z]", fullmatch=True), text, max_size=3))
    keys = {f"key {name}": value for name, value in keys.items()}
    path = tmp_path_factory.mktemp("nrrd") / "Ñandú 日本 %d;&.nrrd"
    nrrd.write(path, array, geometry, keys, encoding, axes=axes)
    description = describe(path)
    assert description.geometry is not None
    assert description.geometry.affine == pytest.approx(affine, abs=1e-12)
    assert {name: description.attributes[f"nrrd.{name}"] for name in keys} == {n: (v,) for n, v in keys.items()}
    back = oracles.read(description, path.parent)
    assert back.dtype == array.dtype.newbyteorder("<")
    assert np.array_equal(back.reshape(array.shape), array)
    assert codes(description) == []


def spatial(shape: tuple[int, ...], axes: str) -> tuple[int, int, int]:
    k, j, i = (shape[axes.index(axis)] for axis in "kji")
    return k, j, i


@pytest.mark.parametrize("axes", ["kji", "kjic"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_simpleitk_and_pynrrd_read_what_we_write(tmp_path: Path, axes: str, encoding: str) -> None:
    pynrrd = oracles.require("nrrd")
    array = np.arange(2 * 3 * 4 * 3, dtype=np.int16).reshape(2, 3, 4, 3)[..., : 3 if "c" in axes else 1]
    array = array if "c" in axes else array[..., 0]
    affine = np.array([[0.0, -2, 0, 5], [1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    path = tmp_path / "a.nrrd"
    nrrd.write(path, array, Geometry.from_affine(affine, (2, 3, 4)), {"vasculum.id": "x"}, encoding, axes=axes)
    image = oracles.itk_image(path)
    assert oracles.itk_affine(image) == pytest.approx(affine)
    assert np.array_equal(oracles.itk_values(image, axes), array)
    values, header = pynrrd.read(str(path), index_order="C")
    assert np.array_equal(values, array)
    assert header["vasculum.id"] == "x"


def test_raw_is_a_read_only_map(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.nrrd", SMALL, VALUES)
    array = oracles.read(describe(path), tmp_path)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert array.tobytes() == VALUES


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("raw", VALUES),
        ("gzip", gzip.compress(VALUES)),
        ("gz", gzip.compress(VALUES[:9], mtime=0) + gzip.compress(VALUES[9:])),
        ("bzip2", bz2.compress(VALUES)),
        ("ascii", " ".join(map(str, VALUES)).encode()),
        ("txt", b"\n".join(str(v).encode() + b"," for v in VALUES)),
        ("hex", VALUES.hex().encode()),
        ("hex", b"\n".join(VALUES[n : n + 8].hex().upper().encode() for n in (0, 8, 16)) + b"\n"),
    ],
    ids=["raw", "gzip", "gz in two", "bzip2", "ascii", "txt", "hex", "hex in lines"],
)
@pytest.mark.parametrize("detached", [False, True])
def test_encodings(tmp_path: Path, encoding: str, stored: bytes, detached: bool) -> None:
    lines = [*SMALL[:3], f"encoding: {encoding}", *LPS]
    if detached:
        (tmp_path / "voxels").write_bytes(b"one\r\ntwo\n" + stored)
        write_text(tmp_path / "a.nrrd", [*lines, "line skip: 2", "data file: voxels"])
    else:
        write_text(tmp_path / "a.nrrd", lines, stored)
    array = oracles.read(describe(tmp_path / "a.nrrd"), tmp_path)
    assert array.tobytes() == VALUES
    assert array.shape == (2, 3, 4)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("skip", [5, -1])
def test_byte_skip(tmp_path: Path, encoding: str, skip: int) -> None:
    """Skipped bytes are those of the file where it is raw, of what comes out where it is compressed."""
    content = b"#" * 5 + VALUES
    stored = content if encoding == "raw" else gzip.compress(content)
    path = write_text(tmp_path / "a.nrrd", [*SMALL[:3], f"encoding: {encoding}", f"byte skip: {skip}"], stored)
    assert oracles.read(describe(path), tmp_path).tobytes() == VALUES


@pytest.mark.parametrize("order", ["little", "big"])
def test_byte_order(tmp_path: Path, order: str) -> None:
    values = np.arange(12).astype("<i2" if order == "little" else ">i2")
    lines = ["type: short", "dimension: 3", "sizes: 2 3 2", "encoding: raw", f"endian: {order}"]
    path = write_text(tmp_path / "a.nrrd", lines, values.tobytes())
    assert oracles.read(describe(path), tmp_path).reshape(-1).tolist() == list(range(12))


@pytest.mark.parametrize(
    "names",
    [
        ["data file: LIST", "s 1.raw", "s 2.raw"],
        ["data file: s%2d.raw 1 2 1"],
        ["data file: LIST 2", "s 1.raw", "s 2.raw"],
    ],
)
def test_lists_of_data_files(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "s 1.raw").write_bytes(b"####" + VALUES[:12])
    (tmp_path / "s 2.raw").write_bytes(b"####" + VALUES[12:])
    path = write_text(tmp_path / "a.nhdr", [*SMALL, *LPS, "byte skip: 4", *names])
    description = describe(path)
    assert [part.name for part in description.parts] == ["a.nhdr", "s 1.raw", "s 2.raw"]
    assert oracles.read(description, tmp_path).tobytes() == VALUES
    assert codes(description) == []


SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "LPS": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "RAS": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "LAS": (1, -1, 1),
    "scanner-xyz": (1, 1, 1),
    "3D-right-handed": (1, 1, 1),
}


@pytest.mark.parametrize("space", SPACES)
def test_spaces(tmp_path: Path, space: str) -> None:
    path = write_text(tmp_path / "a.nrrd", [*SMALL, f"space: {space}", *LPS[1:]], VALUES)
    description = describe(path)
    assert description.geometry is not None
    expected = np.diag([1.0, 2, 3, 1])
    expected[:3, 3] = (10, 20, 30)
    assert description.geometry.affine == pytest.approx(np.diag([*SPACES[space], 1]) @ expected)
    assert description.geometry.affine == pytest.approx(oracles.itk_affine(oracles.itk_image(path)))
    assert codes(description) == (["no-space"] if space in {"scanner-xyz", "3D-right-handed"} else [])


def test_space_with_time(tmp_path: Path) -> None:
    lines = [
        "type: uint8",
        "dimension: 4",
        "sizes: 2 3 2 2",
        "encoding: raw",
        "space: right-anterior-superior-time",
        "space directions: (1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,5)",
        "space origin: (1,2,3,0)",
    ]
    description = describe(write_text(tmp_path / "a.nrrd", lines, VALUES))
    assert description.voxels is not None
    assert description.geometry is not None
    assert (description.voxels.axes, description.voxels.sizes) == ("tkji", (2, 2, 3, 2))
    assert description.geometry.affine == pytest.approx(
        np.array([[-1, 0, 0, -1], [0, -2, 0, -2], [0, 0, 3, 3], [0, 0, 0, 1]])
    )


@pytest.mark.parametrize(
    ("unit", "factor", "found"),
    [("mm", 1, []), ("um", 1e-3, []), ("µm", 1e-3, []), ("microns", 1e-3, []), ("parsec", 1, ["unknown-unit"])],
)
def test_space_units(tmp_path: Path, unit: str, factor: float, found: list[str]) -> None:
    units = f'space units: "{unit}" "{unit}" "{unit}"'
    description = describe(write_text(tmp_path / "a.nrrd", [*SMALL, *LPS, units], VALUES))
    assert description.geometry is not None
    assert description.geometry.spacing == pytest.approx((factor, 2 * factor, 3 * factor))
    assert description.geometry.origin == pytest.approx((10 * factor, 20 * factor, 30 * factor))
    assert codes(description) == found


def test_spacings_without_directions(tmp_path: Path) -> None:
    lines = [*SMALL, "spacings: 0.5 0.25 2", "axis mins: 1 2 3", "centerings: cell cell cell"]
    description = describe(write_text(tmp_path / "a.nrrd", lines, VALUES))
    assert description.geometry is not None
    assert description.geometry.spacing == (0.5, 0.25, 2)
    assert description.geometry.origin == (1.25, 2.125, 4)
    assert codes(description) == ["no-space"]


def test_no_voxel_size_is_asked_for(tmp_path: Path) -> None:
    description = describe(write_text(tmp_path / "a.nrrd", SMALL, VALUES))
    assert description.geometry is None
    assert codes(description) == ["needs-voxel-size"]


@pytest.mark.parametrize(
    "directions",
    [
        "(nan,0,0) (0,2,0) (0,0,3)",
        "(0,0,0) (0,2,0) (0,0,3)",
        "(1,0,0) (1,0,0) (0,0,3)",
        "(1,0,0) (0,2,0)",
        "(1,0,x) (0,2,0) (0,0,3)",
        "(1e999,0,0) (0,2,0) (0,0,3)",
    ],
)
def test_bad_geometry_is_said_and_voxels_are_read(tmp_path: Path, directions: str) -> None:
    lines = [*SMALL, LPS[0], f"space directions: {directions}", LPS[2]]
    description = describe(write_text(tmp_path / "a.nrrd", lines, VALUES))
    assert description.geometry is None
    assert codes(description) == ["bad-geometry"]
    assert oracles.read(description, tmp_path).tobytes() == VALUES


def test_micrometres_for_millimetres(tmp_path: Path) -> None:
    lines = ["type: uint8", "dimension: 3", "sizes: 400 1 1", "encoding: raw", "spacings: 18 18 18"]
    description = describe(write_text(tmp_path / "a.nrrd", lines, b"\0" * 400))
    assert "implausible-voxel-size" in codes(description)


@pytest.mark.parametrize("kind", ["RGB-color", "3-color", "vector", "covariant-vector"])
def test_components_first(tmp_path: Path, kind: str) -> None:
    lines = [
        "type: uint8",
        "dimension: 4",
        "sizes: 3 2 2 2",
        "encoding: raw",
        "space: LPS",
        "space directions: none (1,0,0) (0,1,0) (0,0,1)",
        f"kinds: {kind} domain domain domain",
    ]
    description = describe(write_text(tmp_path / "a.nrrd", lines, VALUES))
    assert description.voxels is not None
    assert (description.voxels.axes, description.voxels.sizes, description.voxels.order) == ("kjic", (2, 2, 2, 3), "")
    assert oracles.read(description, tmp_path)[0, 0, 1].tolist() == [3, 4, 5]


def test_components_last(tmp_path: Path) -> None:
    lines = ["type: uint8", "dimension: 4", "sizes: 2 2 2 3", "encoding: raw", "kinds: space space space vector"]
    description = describe(write_text(tmp_path / "a.nrrd", lines, VALUES))
    assert description.voxels is not None
    assert (description.voxels.axes, description.voxels.order) == ("kjic", "ckji")
    assert oracles.read(description, tmp_path)[0, 0, 1].tolist() == [1, 9, 17]


def test_two_lists_are_unsupported(tmp_path: Path) -> None:
    lines = [
        "type: uint8",
        "dimension: 5",
        "sizes: 2 3 2 2 1",
        "encoding: raw",
        "kinds: list list domain domain domain",
    ]
    with pytest.raises(Unsupported):
        describe(write_text(tmp_path / "a.nrrd", lines, VALUES))


@pytest.mark.parametrize("version", range(1, 6))
def test_old_versions(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(f"NRRD000{version}\r\n# note\r\n".encode() + "\r\n".join(SMALL).encode() + b"\r\n\r\n" + VALUES)
    description = describe(path)
    assert oracles.read(description, tmp_path).tobytes() == VALUES
    assert description.attributes["nrrd.version"] == (version,)
    assert description.attributes["nrrd.comment"] == ("note",)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["type: uint8", "dimension: 3", "sizes: 4 3", "encoding: raw"],
        ["type: uint8", "dimension: 3", "sizes: 4 3 0", "encoding: raw"],
        ["type: uint8", "dimension: 3", "sizes: 4 3 -2", "encoding: raw"],
        ["type: float128", *SMALL[1:]],
        [*SMALL[:3], "encoding: magic"],
        [*SMALL, "byte skip: -2"],
        [*SMALL, "line skip: 99999999999"],
        [*SMALL, "nonsense"],
        [*SMALL, "data file: x%d.raw 1 999999999 1"],
        [*SMALL, "data file: x%d.raw 1 5 0"],
        [*SMALL, "data file: LIST"],
    ],
)
def test_damaged_headers_are_unreadable(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(Unreadable):
        describe(write_text(tmp_path / "a.nrrd", lines, VALUES))


def test_truncated_voxels_are_said_and_not_read(tmp_path: Path) -> None:
    for name, lines, data in (
        ("raw", SMALL, VALUES[:-1]),
        ("gzip", [*SMALL[:3], "encoding: gzip"], gzip.compress(VALUES[:-1])),
        ("cut", [*SMALL[:3], "encoding: gzip"], gzip.compress(VALUES)[:-12]),
        ("hex", [*SMALL[:3], "encoding: hex"], VALUES.hex().encode()[:-1]),
        ("text", [*SMALL[:3], "encoding: text"], b"1 2 3"),
    ):
        description = describe(write_text(tmp_path / f"{name}.nrrd", lines, data))
        if name in {"raw", "hex", "text"}:
            assert "truncated" in codes(description), name
        with pytest.raises(Unreadable):
            oracles.read(description, tmp_path)


def test_a_wrong_checksum_is_unreadable(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(VALUES))
    packed[-8] ^= 1
    path = write_text(tmp_path / "a.nrrd", [*SMALL[:3], "encoding: gzip"], bytes(packed))
    with pytest.raises(Unreadable, match="checksum"):
        oracles.read(describe(path), tmp_path)


def test_bytes_after_the_voxels_do_no_harm(tmp_path: Path) -> None:
    for encoding, data in (("raw", VALUES + b"tail"), ("gzip", gzip.compress(VALUES) + b"tail")):
        path = write_text(tmp_path / "a.nrrd", [*SMALL[:3], f"encoding: {encoding}"], data)
        assert oracles.read(describe(path), tmp_path).tobytes() == VALUES


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "sub/../../secret", "C:\\secret", "..\\secret", "\\\\host\\secret", "link"]
)
def test_data_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "sub").mkdir()
    (tmp_path / "secret").write_bytes(VALUES)
    try:
        (folder / "link").symlink_to(tmp_path / "secret")
    except OSError:
        pytest.skip("links may not be made here")
    path = write_text(folder / "a.nhdr", [*SMALL, f"data file: {name}"])
    with pytest.raises(Unreadable, match="outside its folder"):
        describe(path)


def test_a_container_may_allow_its_own_folders(tmp_path: Path) -> None:
    (tmp_path / "DICOM").mkdir()
    (tmp_path / "scene").mkdir()
    (tmp_path / "DICOM" / "IM000001").write_bytes(b"####" + VALUES)
    path = tmp_path / "scene" / "a.nhdr"
    geometry = Geometry.from_affine(np.diag([1.0, 2, 3, 1]), (2, 3, 4))
    nrrd.write_header(path, dtype="u1", geometry=geometry, data_file="../DICOM/IM000001", byte_skip=4)
    assert path.read_text().splitlines()[-1] == "data file: ../DICOM/IM000001"
    with pytest.raises(Unreadable):
        describe(path)
    description = Nrrd().describe(path, root=tmp_path)
    assert description.parts[1].name == "../DICOM/IM000001"
    assert oracles.read(description, path.parent).tobytes() == VALUES
    assert np.array_equal(oracles.itk_values(oracles.itk_image(path), "kji").reshape(-1), np.arange(24))


def test_a_header_alone_can_be_described(tmp_path: Path) -> None:
    path = tmp_path / "a.nhdr"
    geometry = Geometry.from_affine(np.eye(4), (2, 3, 4))
    nrrd.write_header(path, dtype="u1", geometry=geometry, data_file=["../../D/1", "../../D/2"], byte_skip=8)
    description = Nrrd().describe(path, header_only=True)
    assert [part.name for part in description.parts] == ["a.nhdr", "../../D/1", "../../D/2"]
    assert codes(description) == []
    assert description.voxels is not None
    assert [block.offset for block in description.voxels.blocks] == [8, 8]


def test_a_missing_data_file_is_said(tmp_path: Path) -> None:
    description = describe(write_text(tmp_path / "a.nhdr", [*SMALL, *LPS, "data file: gone.raw"]))
    assert codes(description) == ["missing-part"]
    assert description.geometry is not None
    with pytest.raises(Unreadable):
        oracles.read(description, tmp_path)


def test_label_maps_are_suspected_by_name_and_type(shared_data: Path, tmp_path: Path) -> None:
    assert "maybe-label-map" in codes(describe(shared_data / "nrrd" / "pyradiomics" / "brain1_label.nrrd"))
    assert "maybe-label-map" not in codes(describe(shared_data / "nrrd" / "pyradiomics" / "brain1_image.nrrd"))
    lines = ["type: float", *SMALL[1:]]
    assert "maybe-label-map" not in codes(describe(write_text(tmp_path / "x_label.nrrd", lines, VALUES * 4)))


def test_our_keys_are_ascii(tmp_path: Path) -> None:
    array: NDArray[Any] = np.zeros((1, 1, 1), np.uint8)
    with pytest.raises(Invalid):
        nrrd.write(tmp_path / "a.nrrd", array, None, {"vasculum.subject": "Ñandú"})
    with pytest.raises(Invalid):
        nrrd.write(tmp_path / "a.nrrd", array, None, {"a:b": "c"})
    with pytest.raises(Invalid):
        nrrd.write(tmp_path / "a.nrrd", array[0], None)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.nrrd"
    nrrd.write(path, np.ones((2, 2, 2), np.uint8), None)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vasculum.formats.nrrd_writing.write_slabs", full)
    with pytest.raises(OSError, match="No space"):
        nrrd.write(path, np.zeros((2, 2, 2), np.uint8), None)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nrrd"]
