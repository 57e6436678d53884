"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.command import Called, Command

SHARED_DATA = Path(os.environ.get("VASCULUM_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
"""Real files of every kind, beside the checkout; a test that needs them is skipped where they are not."""

settings.register_profile(
    "vasculum",
    deadline=None,
    max_examples=40,
    derandomize=True,  # a red build must be red again on the next run
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", settings.get_profile("vasculum"), max_examples=1000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "vasculum"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of shared real files, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data are not at {SHARED_DATA} (set VASCULUM_SHARED_DATA)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give one temporary folder for the repositories of a test run."""
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep a person's own repository and settings file out of the tests."""
    for name in [name for name in os.environ if name.startswith("VASCULUM_")]:
        if name not in {"VASCULUM_REQUIRE_INTEROP", "VASCULUM_SHARED_DATA"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("VASCULUM_CONFIG", str(tmp_path_factory.getbasetemp() / "no-settings.toml"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Call the command in this process."""
    from vasculum.cli.main import run

    def call(*words: object) -> Called:
        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def filled(repositories: Path) -> Path:
    """Give a repository that holds the sample data. Not to be changed."""
    import vasculum
    from vasculum.samples import METADATA_TABLE, SAMPLES

    root = repositories / "samples"
    with vasculum.init_repository(root) as repository:
        repository.execute(repository.plan_import([SAMPLES], metadata=SAMPLES / METADATA_TABLE))
    return root


@pytest.fixture
def own(filled: Path, tmp_path: Path) -> Path:
    """Give a copy of that repository, to be changed."""
    return Path(shutil.copytree(filled, tmp_path / "repository"))
