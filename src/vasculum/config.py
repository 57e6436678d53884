"""Settings: what the file says, then what the environment says, then what the caller says."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from vasculum.errors import Invalid

ENVIRONMENT = {"repository": "VASCULUM_REPO", "workers": "VASCULUM_WORKERS"}
"""Which environment variable sets which setting. ``VASCULUM_CONFIG`` names the settings file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set for a machine or a person rather than for one call."""

    repository: Path = Path("vasculum-repo")
    """The folder of the repository."""
    workers: int = 0
    """How many files are looked into at the same time; 0: as many as there are processors, at most 8."""

    @property
    def worker_count(self) -> int:
        """Give the number of workers, with 0 resolved."""
        return self.workers or min(8, os.cpu_count() or 1)


def settings_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Say where the settings file of this person is; it need not exist."""
    if named := environment.get("VASCULUM_CONFIG"):
        return Path(named)
    if sys.platform == "win32":
        base = Path(environment.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "vasculum" / "settings.toml"


def load_settings(environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """Put the settings together: file < environment < `given`.

    Parameters
    ----------
    environment
        Environment variables.
    given
        Settings by name; None means not given.

    Raises
    ------
    Invalid
        The file cannot be read, or a name or a value is wrong.
    """
    settings = _with(Settings(), _from_file(settings_file(environment)), "the settings file")
    from_environment = {name: environment[key] for name, key in ENVIRONMENT.items() if environment.get(key)}
    settings = _with(settings, from_environment, "the environment")
    return _with(settings, {name: value for name, value in given.items() if value is not None}, "the arguments")


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the settings file {path.name} cannot be read", hint="it must be UTF-8 text") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"the settings file {path.name} is not TOML: {error}") from error


def _with(settings: Settings, values: Mapping[str, Any], where: str) -> Settings:
    known = {field.name for field in fields(Settings)}
    for name in values:
        if name not in known:
            raise Invalid(f"{where}: there is no setting {name!r}", hint="known: " + ", ".join(sorted(known)))
    changed: dict[str, Any] = dict(values)
    if "repository" in changed:
        changed["repository"] = Path(changed["repository"]).expanduser()
    if "workers" in changed:
        changed["workers"] = _count(changed["workers"], where)
    return replace(settings, **changed)


def _count(value: Any, where: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 256:
        raise Invalid(f"{where}: workers must be a whole number from 0 to 256, not {value!r}")
    return number
