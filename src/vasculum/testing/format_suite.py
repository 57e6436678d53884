"""The conformance tests of the format port. A plugin that adds a format runs them on samples of its own.

::

    from vasculum.testing.format_suite import FormatSuite

    class TestMine(FormatSuite):
        format = MyFormat()
        samples = (Path("tests/one.xyz"), Path("tests/two.xyz"))

pytest collects the methods; the ``check_*`` functions can be called by themselves as well.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from vasculum.errors import Unreadable, Unsupported
from vasculum.formats.base import HEAD_BYTES, Format, Head, VoxelFormat
from vasculum.formats.wire import from_bytes, to_bytes
from vasculum.model.description import Description

AXES = ("kji", "tkji", "kjic", "tkjic")
MUTANTS = 24
"""Damaged copies that are made of each sample."""

_READ_VOXELS_MOST = 64 * 1024 * 1024


class FormatSuite:
    """Subclass, and set `format` and `samples`; every method is one promise of the port."""

    format: ClassVar[Any]
    samples: ClassVar[Sequence[Path]] = ()

    def test_satisfies_the_port(self) -> None:
        """It has a name and the methods."""
        check_port(self.format)

    def test_recognising_never_raises(self) -> None:
        """Not on nonsense either, and it does not claim nonsense without a reason."""
        check_recognition(self.format)

    def test_describes_samples(self) -> None:
        """Samples are recognised and described by the rules of the model."""
        for sample in self.samples:
            check_sample(self.format, sample)

    def test_reads_voxels_as_described(self) -> None:
        """Shape and type of the voxels are those of the description."""
        for sample in self.samples:
            check_voxels(self.format, sample)

    def test_damage_is_a_typed_refusal(self, tmp_path: Path) -> None:
        """A damaged file is described, or refused by `Unreadable` or `Unsupported`; nothing else escapes."""
        for sample in self.samples:
            check_damage(self.format, sample, tmp_path)


def head_of(path: Path) -> Head:
    """Give what `recognises` is given."""
    with path.open("rb") as stream:
        return Head(path, path.stat().st_size, stream.read(HEAD_BYTES))


def check_port(port: Any) -> None:
    """Check that an object has what the port asks for."""
    assert isinstance(port, Format), f"{port!r} lacks name, recognises or describe"
    assert port.name, "a format needs a name"
    assert port.name == port.name.lower(), "names of formats are lower-case"


def check_recognition(port: Format) -> None:
    """Check that recognising nonsense neither raises nor succeeds by accident of one byte."""
    rng = random.Random(0)  # noqa: S311 (a fixed sequence, no secret)
    for length in (1, 2, 3, 4, 8, 16, 83, 84, 132, 348, 512, HEAD_BYTES):
        start = rng.randbytes(length)
        for name in ("x", "x.json", "x.nii.gz", "x.dcm", "x.csv", "x.stl", "x.\udcff"):
            answer = port.recognises(Head(Path(name), length, start))
            assert isinstance(answer, bool), "recognises answers True or False"


def check_sample(port: Format, sample: Path) -> Description:
    """Check that a sound file is recognised and described by the rules; gives the description."""
    before = sample.stat()
    assert port.recognises(head_of(sample)), f"{sample.name} is not recognised"
    described = port.describe(sample)
    assert described == port.describe(sample), "describing twice gives two answers"
    after = sample.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns), "describing changed the file"
    assert described.format == port.name, "the description names another format"
    assert described.parts, "a description has parts"
    assert described.parts[0].name == sample.name, "the first part is the file itself"
    _check_parts(described, sample.parent)
    _check_attributes(described)
    _check_voxel_words(described)
    restored = from_bytes(to_bytes(described))
    assert restored == described, "the description does not survive the way between processes"
    return described


def check_voxels(port: Format, sample: Path) -> None:
    """Check that voxels are read as described. Large and voxel-less samples are passed over."""
    described = port.describe(sample)
    voxels = described.voxels
    if voxels is None or not isinstance(port, VoxelFormat):
        return
    if np.prod(voxels.sizes, dtype=np.float64) * np.dtype(voxels.dtype).itemsize > _READ_VOXELS_MOST:
        return
    array = port.read_voxels(described, lambda name: sample.parent / name)
    assert array.shape == voxels.sizes, f"{sample.name}: shape {array.shape}, described as {voxels.sizes}"
    if voxels.slope == 1 and voxels.intercept == 0 and not any(b.slope or b.intercept for b in voxels.blocks):
        stored = np.dtype(voxels.dtype).newbyteorder("=")
        assert array.dtype.newbyteorder("=") == stored, f"{sample.name}: type {array.dtype}, described as {stored}"


def check_damage(port: Format, sample: Path, scratch: Path, seed: int = 0) -> None:
    """Check that cut and changed copies of a sample end in a description, `Unreadable` or `Unsupported`."""
    folder = scratch / f"{sample.name}.damage"
    folder.mkdir()
    described = port.describe(sample)
    for part in described.parts[1:]:
        target = folder / part.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample.parent / part.name, target)
    copy = folder / sample.name
    for mutant in _mutants(sample.read_bytes(), seed):
        copy.write_bytes(mutant)
        try:
            port.describe(copy)
        except (Unreadable, Unsupported) as refusal:
            assert str(folder) not in str(refusal), "a refusal names the folder of the file"
    shutil.rmtree(folder)


def _mutants(content: bytes, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)  # noqa: S311 (a fixed sequence, no secret)
    for share in (0.0, 0.01, 0.1, 0.5, 0.9):
        yield content[: max(1, int(len(content) * share))]
    yield content[:-1] or b"\0"
    yield content + b"\0"
    reach = min(len(content), 4096)
    for number in range(MUTANTS):
        changed = bytearray(content)
        for _ in range(1 + number % 4):
            changed[rng.randrange(reach if number % 3 else len(content))] = rng.choice(
                (0, 0xFF, 0x30, rng.randrange(256))
            )
        yield bytes(changed)


def _check_parts(described: Description, folder: Path) -> None:
    names = [part.name for part in described.parts]
    assert len(set(names)) == len(names), "a part is listed twice"
    for name in names:
        path = PurePosixPath(name)
        assert "\\" not in name or "\\" in folder.joinpath(name).name, "part names have forward slashes"
        assert not path.is_absolute(), "a part name is absolute"
        assert ".." not in path.parts, "a part name climbs"
    assert all(
        "\\" not in m.split("/") and ".." not in m.split("/") and not m.startswith("/") for m in described.members
    )


def _check_attributes(described: Description) -> None:
    for name, values in described.attributes.items():
        assert isinstance(values, tuple), f"attribute {name} is not a tuple"
        assert all(isinstance(v, (str, int, float)) and not isinstance(v, np.generic) for v in values), name
    for finding in described.findings:
        assert finding.code == finding.code.lower(), "finding codes are lower-case words"
        assert finding.text and str(Path.home()) not in finding.text, "a finding needs a text, without paths"


def _check_voxel_words(described: Description) -> None:
    voxels = described.voxels
    if voxels is None:
        return
    assert voxels.axes in AXES, f"axes {voxels.axes}"
    assert len(voxels.sizes) == len(voxels.axes), "one size for each axis"
    assert all(size > 0 for size in voxels.sizes), "no axis is empty"
    names = {part.name for part in described.parts}
    assert all(block.part in names for block in voxels.blocks), "a block lies in a part that is not listed"
    if described.geometry is not None:
        spatial = tuple(voxels.sizes[voxels.axes.index(axis)] for axis in "kji")
        assert described.geometry.shape == spatial, "geometry and voxels have other shapes"
