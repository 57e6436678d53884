"""``vasculum init``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

EXAMPLES = """\
Examples:
  vasculum init
      a repository in ./vasculum-repo
  vasculum init /data/museum
      one elsewhere; then: export VASCULUM_REPO=/data/museum

'vasculum import' makes the repository by itself where there is none."""


def init(
    folder: Annotated[Path | None, Parameter(help="Where to make it; it must not exist or be empty.")] = None,
    /,
    *,
    options: Options = NO_OPTIONS,
) -> int:
    """Make a repository: a folder that holds the files, the catalogue and the audit trail."""
    import vasculum
    from vasculum.cli.exits import DONE
    from vasculum.cli.printing import print_json, say

    chosen = replace(options, repo=folder or options.repo).settings.repository
    repository = vasculum.init_repository(chosen)
    root = repository.root
    repository.close()
    if options.json:
        print_json({"repository": root})
    else:
        say(f"Made a repository in {root}. Next: vasculum import --plan FOLDER")
    return DONE
