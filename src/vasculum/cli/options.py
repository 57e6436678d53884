"""The options that every command has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from vasculum.config import Settings, load_settings

if TYPE_CHECKING:
    from vasculum.repo.repository import Repository

EVERYWHERE = Group("Options of every command", sort_key=9)


@Parameter(name="*", group=EVERYWHERE)
@dataclass(frozen=True, slots=True)
class Options:
    """The options that every command has."""

    repo: Annotated[
        Path | None,
        Parameter(name="--repo", help="The folder of the repository; else $VASCULUM_REPO, else vasculum-repo."),
    ] = None
    json: Annotated[bool, Parameter(name="--json", help="Print JSON (docs: reference, JSON).")] = False
    debug: Annotated[bool, Parameter(name="--debug", help="Show where an error comes from.")] = False

    @property
    def settings(self) -> Settings:
        """Give the settings: these options, else the environment, else the settings file, else the defaults."""
        return load_settings(repository=self.repo)

    def open(self) -> Repository:
        """Open the repository.

        Raises
        ------
        NotFound
            There is none in that folder.
        """
        import vasculum

        return vasculum.open_repository(self.settings.repository)


NO_OPTIONS = Options()
