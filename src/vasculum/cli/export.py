"""``vasculum export``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

EXAMPLES = """\
Examples:
  vasculum export 'subject:mouse-skull-01' -o out/
      every file as it came in, byte for byte
  vasculum export 'kind:volume' -o out/ --as nifti
  vasculum export 'species:"Mus musculus"' -o out/ --as csv
      a table of what is known, to read into R or a spreadsheet"""


def export(
    query: Annotated[str, Parameter(name="QUERY", help="What to write out (vasculum find --help).")],
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"), help="The folder to write into.")],
    form: Annotated[
        Literal["original", "nrrd", "nifti", "csv"], Parameter(name="--as", help="In which form.")
    ] = "original",
    options: Options = NO_OPTIONS,
) -> int:
    """Write series out as files: as they came, or as NRRD, NIfTI or a table."""
    from vasculum.cli.exits import DONE, SOME_REFUSED
    from vasculum.cli.printing import counted, print_json, print_table, say
    from vasculum.cli.progress import progress_for

    with closing(options.open()) as repository:
        report = repository.export(query, output, form=form, progress=progress_for(json=options.json))
    if options.json:
        print_json({"folder": output, "written": report.written, "refused": [_refusal(*r) for r in report.refused]})
    else:
        if report.refused:
            print_table(("Left out", "Why"), report.refused, whole=("Left out",))
        say(f"Wrote {counted(len(report.written), 'file')} into {output}.")
    return SOME_REFUSED if report.refused else DONE


def _refusal(series: str, reason: str) -> dict[str, str]:
    return {"series": series, "reason": reason}
