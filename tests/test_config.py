"""Settings: file < environment < argument."""

from __future__ import annotations

from pathlib import Path

import pytest

from vasculum.config import Settings, load_settings, settings_file
from vasculum.errors import Invalid


def test_nothing_set_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings({"VASCULUM_CONFIG": str(tmp_path / "none.toml")}) == Settings()


def test_the_environment_beats_the_file_and_an_argument_beats_both(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('repository = "from-file"\nworkers = 3\n', encoding="utf-8")
    environment = {"VASCULUM_CONFIG": str(file)}
    assert load_settings(environment) == Settings(repository=Path("from-file"), workers=3)
    environment["VASCULUM_REPO"] = "from-environment"
    assert load_settings(environment) == Settings(repository=Path("from-environment"), workers=3)
    assert load_settings(environment, repository=Path("given")).repository == Path("given")
    assert load_settings(environment, repository=None).repository == Path("from-environment")


def test_a_home_folder_is_found() -> None:
    assert load_settings({"VASCULUM_CONFIG": "none", "VASCULUM_REPO": "~/scans"}).repository == Path.home() / "scans"


@pytest.mark.parametrize(
    "text", ["repository = ", 'repo = "x"', "workers = -1", 'workers = "many"', "workers = 100000"]
)
def test_a_wrong_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Invalid):
        load_settings({"VASCULUM_CONFIG": str(file)})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="UTF-8"):
        load_settings({"VASCULUM_CONFIG": str(file)})


def test_wrong_workers_in_the_environment_are_refused() -> None:
    with pytest.raises(Invalid, match="environment"):
        load_settings({"VASCULUM_CONFIG": "none", "VASCULUM_WORKERS": "two"})


def test_workers_are_at_least_one() -> None:
    assert Settings().worker_count >= 1
    assert Settings(workers=5).worker_count == 5


def test_the_settings_file_has_a_place() -> None:
    assert settings_file({}).name == "settings.toml"
    assert settings_file({"VASCULUM_CONFIG": "x.toml"}) == Path("x.toml")
