"""``vasculum inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

EXAMPLES = """\
Examples:
  vasculum inspect mouse-skull-01.mrb
      members of a bundle or a Slicer scene, and what they are
  vasculum inspect --json scan.nii.gz
      geometry and header of any file that is understood"""


def inspect(
    file: Annotated[Path, Parameter(help="A bundle, an MRB, a zip, or any single file.")],
    /,
    *,
    everything: Annotated[bool, Parameter(name="--all", help="Do not fold long lists.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Say what is in a bundle, a scene or any file. Needs no repository."""
    import vasculum
    from vasculum.cli.exits import DONE
    from vasculum.cli.printing import byte_size, counted, folded, print_json, print_table, say

    inspection = vasculum.inspect(file)
    if options.json:
        print_json(inspection)
        return DONE
    members, more = folded(inspection.members, everything=everything)
    rows = [(m.name, m.kind, m.what, byte_size(m.size)) for m in members]
    print_table(("Member", "Kind", "What", "Size"), rows, numeric=("Size",), more=more)
    for finding in inspection.findings:
        say(f"{finding.severity}: {finding.text}")
    say(f"{file.name}: {inspection.container}, {counted(len(inspection.members), 'member')}.")
    return DONE
