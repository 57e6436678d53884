"""``vasculum pack``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

if TYPE_CHECKING:
    from vasculum.bundle.report import PackReport

EXAMPLES = """\
Examples:
  vasculum pack mouse-skull-01 -o mouse-skull-01.mrb
      a subject by its label
  vasculum pack 'has:segmentation("mandible")' -o mandible.mrb
      the one subject that a search finds
  vasculum pack ID -o subject.mrb --with-originals
      with every file as it came in

The file opens in 3D Slicer by drag and drop, without an extension; unzipped,
or on a disc, it is a DICOM file-set with a DICOMDIR."""


def pack(
    what: Annotated[str, Parameter(name="WHAT", help="An id, a label or a query.")],
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"), help="The file to write; it must not exist.")],
    with_originals: Annotated[bool, Parameter(help="Put in every file as it came.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Write one file that 3D Slicer opens and that is DICOM: volumes, and everything made from them."""
    from vasculum.cli.exits import DONE, SOME_REFUSED
    from vasculum.cli.printing import print_json
    from vasculum.cli.progress import progress_for

    with closing(options.open()) as repository:
        report = repository.pack(
            what, output, with_originals=with_originals, progress=progress_for(json=options.json)
        )
    if options.json:
        print_json(report)
    else:
        print_pack_report(report)
    return SOME_REFUSED if report.left_out else DONE


def print_pack_report(report: PackReport) -> None:
    """Print what was packed, and what was left out."""
    from vasculum.cli.printing import byte_size, counted, print_table, say

    print_table(
        ("Member", "What", "Size"),
        [(m.name, m.what, byte_size(m.size)) for m in report.members],
        numeric=("Size",),
    )
    for left in report.left_out:
        say(f"Left out: {left.series}: {left.reason}")
    for finding in report.findings:
        say(f"{finding.severity}: {finding.text}")
    say(f"Packed {counted(len(report.members), 'member')}, {byte_size(report.size)}, into {report.path}.")
