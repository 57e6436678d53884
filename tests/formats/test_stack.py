from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from vasculum.errors import Invalid
from vasculum.formats.image import Picture
from vasculum.formats.registry import recognise
from vasculum.formats.stack import with_voxel_size
from vasculum.model.description import Description
from vasculum.model.kinds import Kind

PICTURE = Picture()
LOG = "[Acquisition]\nFilename Prefix=fish\nNumber of Rows=50\nNumber of Columns=60\nImage Pixel Size (um)=7.5\n"
REC = "[Reconstruction]\nReconstruction Program=NRecon\nPixel Size (um)=7.501\nSections Count={}\n"
REC += "Result Image Width (pixels)={}\n[File name convention]\nFilename Prefix=fish_rec\n"


def describe(folder: Path, names: Iterable[str]) -> dict[str, Description]:
    return {name: recognise(folder / name).describe(folder / name) for name in names}


def slices(folder: Path, names: Iterable[str], shape: tuple[int, int] = (5, 6)) -> dict[str, Description]:
    names = list(names)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(shape, number, np.uint8)).save(folder / name)
    return describe(folder, names)


def codes(described: Description) -> list[str]:
    return [f.code for f in described.findings]


def everything_once(items: dict[str, Description], results: Iterable[Description]) -> bool:
    return sorted(p.name for d in results for p in d.parts) == sorted(items)


def test_brainreg_hemisphere_needs_a_voxel_size(shared_data: Path) -> None:
    folder = next(shared_data.rglob("hemisphere_l"))
    items = describe(folder, sorted(p.name for p in folder.iterdir()))
    (volume,) = PICTURE.assemble(items)
    assert (volume.kind, volume.voxels.sizes, volume.voxels.dtype) == (Kind.VOLUME, (70, 104, 193), ">u2")
    assert volume.geometry is None
    assert codes(volume) == ["no-orientation", "needs-voxel-size"]
    assert "--voxel-size" in volume.findings[-1].text
    assert volume.attributes["image.first-number"] == (30,)
    assert [p.name for p in volume.parts] == [f"half_MB_{n:04}.tif" for n in range(30, 100)]
    array = PICTURE.read_voxels(volume, lambda name: folder / name)
    assert np.array_equal(array[0], tifffile.imread(folder / "half_MB_0030.tif"))
    assert np.array_equal(array[69], tifffile.imread(folder / "half_MB_0099.tif"))
    sized = with_voxel_size(volume, (0.05, 0.05, 0.1))
    assert sized.geometry is not None
    assert (sized.geometry.shape, sized.geometry.spacing) == ((70, 104, 193), (0.05, 0.05, 0.1))
    assert codes(sized) == ["no-orientation"]


def test_pictures_of_other_names_and_sizes_stay_apart(shared_data: Path) -> None:
    folder = next(shared_data.rglob("mismatched_dims"))
    items = describe(folder, [p.name for p in folder.iterdir()])
    results = PICTURE.assemble(items)
    assert [d.kind for d in results] == [Kind.IMAGE, Kind.IMAGE]
    assert everything_once(items, results)


def test_numbers_count_not_the_order_of_names(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"Schädel %& {n}.png" for n in (10, 9, 8, 11)])
    (volume,) = PICTURE.assemble(items)
    assert [p.name for p in volume.parts] == [f"Schädel %& {n}.png" for n in (8, 9, 10, 11)]
    array = PICTURE.read_voxels(volume, lambda name: tmp_path / name)
    assert array[:, 0, 0].tolist() == [2, 1, 0, 3]
    assert volume.title == "Schädel %&"


def test_gaps_are_named(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"a{n:03}.png" for n in (1, 2, 3, 6, 7, 9)])
    (volume,) = PICTURE.assemble(items)
    missing = next(f for f in volume.findings if f.code == "missing-slices")
    assert "3 slices are missing" in missing.text
    assert "4, 5, 8" in missing.text
    assert not with_voxel_size(volume, (1, 1, 1)).geometry.regular


def test_a_regular_step_is_no_gap(tmp_path: Path) -> None:
    (volume,) = PICTURE.assemble(slices(tmp_path, [f"a{n:03}.png" for n in range(0, 50, 10)]))
    assert "missing-slices" not in codes(volume)


def test_a_slice_of_another_size_is_left_apart(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"a{n}.png" for n in range(4)]) | slices(tmp_path, ["a4.png"], (7, 7))
    results = PICTURE.assemble(items)
    assert [(d.kind, len(d.parts)) for d in results] == [(Kind.VOLUME, 4), (Kind.IMAGE, 1)]
    assert all("mismatched-slices" in codes(d) for d in results)
    assert everything_once(items, results)


def test_two_stacks_in_one_folder_and_photographs_beside_them(tmp_path: Path) -> None:
    names = [f"s{s}_{n:02}_8bit.png" for s in (1, 2) for n in range(3)] + ["photo.png", "IMG_1.png", "IMG_2.png"]
    items = slices(tmp_path, names)
    results = PICTURE.assemble(items)
    assert sorted(len(d.parts) for d in results) == [1, 1, 1, 3, 3]
    assert everything_once(items, results)


def test_folders_are_kept_apart(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"{folder}/a{n}.png" for folder in ("x", "y") for n in range(3)])
    assert [len(d.parts) for d in PICTURE.assemble(items)] == [3, 3]


def test_the_log_gives_the_voxel_size_and_is_a_sidecar(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"fish_rec{n:04}.png" for n in range(4)])
    (tmp_path / "fish_rec.log").write_text(LOG + REC.format(4, 6))
    items |= describe(tmp_path, ["fish_rec.log"])
    (volume,) = PICTURE.assemble(items)
    assert volume.geometry is not None
    assert volume.geometry.spacing == pytest.approx((0.007501,) * 3)
    assert codes(volume) == ["no-orientation"]
    assert (volume.parts[-1].name, volume.parts[-1].role) == ("fish_rec.log", "sidecar")
    assert (volume.modality, volume.attributes["image.voxel-size-from"]) == ("CT", ("scanner log",))
    assert PICTURE.read_voxels(volume, lambda name: tmp_path / name).shape == (4, 5, 6)


def test_the_right_log_of_several_is_taken(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"rec/fish_rec{n:04}.png" for n in range(2)])
    (tmp_path / "fish.log").write_text(LOG)
    (tmp_path / "fish_rec.log").write_text(LOG + REC.format(2, 6))
    items |= describe(tmp_path, ["fish.log", "fish_rec.log"])
    results = PICTURE.assemble(items)
    volume = next(d for d in results if d.kind is Kind.VOLUME)
    assert len(volume.parts) == 3
    assert volume.geometry.spacing == pytest.approx((0.007501,) * 3)
    assert everything_once(items, results)


def test_a_log_of_one_stack_says_nothing_of_other_pictures(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"fish_rec{n:04}.png" for n in range(3)])
    items |= slices(tmp_path, [f"photo{n}.png" for n in range(2)] + [f"other{n}.png" for n in range(3)], (9, 9))
    (tmp_path / "fish_rec.log").write_text(LOG + REC.format(3, 6))
    results = PICTURE.assemble(items | describe(tmp_path, ["fish_rec.log"]))
    by_title = {d.title: d for d in results}
    assert by_title["fish_rec"].geometry is not None
    assert by_title["other"].geometry is None
    assert [d.kind for d in results if d.title.startswith("photo")] == [Kind.IMAGE, Kind.IMAGE]


def test_a_log_that_tells_of_other_slices_is_doubted(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"fish_rec{n:04}.png" for n in range(4)])
    (tmp_path / "fish_rec.log").write_text(LOG + REC.format(2452, 12))
    (volume,) = PICTURE.assemble(items | describe(tmp_path, ["fish_rec.log"]))
    assert codes(volume).count("log-mismatch") == 2


def test_projections_are_no_volume(tmp_path: Path) -> None:
    items = slices(tmp_path, [f"fish{n:04}.png" for n in range(4)], (50, 60))
    (tmp_path / "fish.log").write_text(LOG)
    (stack,) = PICTURE.assemble(items | describe(tmp_path, ["fish.log"]))
    assert (stack.kind, stack.geometry, codes(stack)) == (Kind.IMAGE, None, ["projections"])


def test_slices_that_state_their_size_themselves(tmp_path: Path) -> None:
    names = [f"a{n}.tif" for n in range(3)]
    for name in names:
        calibration = {"resolution": (100, 100), "metadata": {"spacing": 0.02, "unit": "mm"}}
        tifffile.imwrite(tmp_path / name, np.zeros((4, 5), np.uint8), imagej=True, **calibration)
    (volume,) = PICTURE.assemble(describe(tmp_path, names))
    assert volume.geometry is not None
    assert volume.geometry.spacing == pytest.approx((0.01, 0.01, 0.02))


def test_implausible_and_wrong_sizes(tmp_path: Path) -> None:
    (volume,) = PICTURE.assemble(slices(tmp_path, [f"a{n}.png" for n in range(3)], (500, 600)))
    assert "implausible-voxel-size" in codes(with_voxel_size(volume, (7.5, 7.5, 7.5)))
    assert "implausible-voxel-size" not in codes(with_voxel_size(volume, (0.0075, 0.0075, 0.0075)))
    for wrong in ((0, 1, 1), (1, -1, 1), (1, 1, float("nan"))):
        with pytest.raises(Invalid):
            with_voxel_size(volume, wrong)
