"""What ``pip install`` gives."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_wheel_holds_samples_migrations_and_licences(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src" / "vasculum").rglob("*") if p.is_file()}
    assert {name for name in source if "__pycache__" not in name} <= names
    assert "vasculum/samples/data/head-ct/CTHead1.dcm" in names
    assert "vasculum/samples/ATTRIBUTION.md" in names
    assert "vasculum/samples/LICENSE-3D-Slicer.txt" in names
    assert any(name.startswith("vasculum/catalog/migrations/versions/") for name in names)
    assert "vasculum/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_the_samples_are_small() -> None:
    samples = ROOT / "src" / "vasculum" / "samples"
    assert sum(p.stat().st_size for p in samples.rglob("*") if p.is_file()) < 3_000_000
