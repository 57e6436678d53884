"""``vasculum import``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

if TYPE_CHECKING:
    from vasculum.model.plans import ImportPlan, ImportReport
    from vasculum.repo.repository import Repository

EXAMPLES = """\
Examples:
  vasculum import --plan scans/
      what is there, whose it is, what is missing; changes nothing
  vasculum import scans/
      take it in; repeat it at will: what is known is not stored twice
  vasculum import scans/ --metadata specimens.csv
      a table with a column 'subject' or 'file' says what they are
  vasculum import stack/ --voxel-size 12.5um
  vasculum import stack/ --voxel-size 0.05x0.05x0.1mm
      for stacks that do not say how large a voxel is; (i, j, k)
  vasculum import /archive/ct --in-place
      leave the files where they are, verified by digest
  vasculum import --plan --json scans/
      one entry for every file met

Exit code 1: some files were (or would be) refused; the rest is in."""


def import_(
    *paths: Annotated[Path, Parameter(help="Files and folders of any kind.", name="PATH")],
    project: Annotated[str, Parameter(help="The project they belong to.")] = "default",
    plan: Annotated[bool, Parameter(help="Show what an import would do; change nothing.")] = False,
    metadata: Annotated[
        Path | None,
        Parameter(help="CSV, TSV or XLSX with a column 'subject' or 'file' and one for each thing you know."),
    ] = None,
    in_place: Annotated[bool, Parameter(help="Leave the files where they are.")] = False,
    how: Annotated[
        Literal["copy", "hardlink", "reflink"], Parameter(help="How bytes come into the repository.")
    ] = "copy",
    voxel_size: Annotated[
        str | None, Parameter(help="For stacks that do not say: 0.05mm, 50um, 0.05x0.05x0.1mm for (i, j, k).")
    ] = None,
    everything: Annotated[bool, Parameter(name="--all", help="Do not fold long lists.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Plan and import files and folders of any kind.

    Files are recognised by content and sorted into subjects, studies and series. The repository is made where there is none.
    """
    from vasculum.cli.arguments import parse_voxel_size
    from vasculum.cli.exits import DONE, SOME_REFUSED
    from vasculum.cli.progress import progress_for
    from vasculum.errors import Invalid
    from vasculum.model.plans import Outcome

    if not paths:
        raise Invalid("name the files or folders to import", hint="vasculum import --plan FOLDER shows what is there")
    if in_place and how != "copy":
        raise Invalid(f"--in-place stores nothing, --how {how} says how to store", hint="choose one")
    size = parse_voxel_size(voxel_size) if voxel_size is not None else None
    progress = progress_for(json=options.json)
    with _repository(options, only_plan=plan) as repository:
        planned = repository.plan_import(
            list(paths),
            project=project,
            metadata=metadata,
            in_place=in_place,
            voxel_size=size,
            workers=options.settings.worker_count,
            progress=progress,
        )
        if plan:
            _show_plan(planned, options, everything=everything)
            files = planned.files
        else:
            report = repository.execute(planned, how=how, in_place=in_place, progress=progress)
            _show_report(planned, report, options, repository.root, everything=everything)
            files = report.files
    return SOME_REFUSED if any(file.outcome is Outcome.REFUSED for file in files) else DONE


def _show_plan(planned: ImportPlan, options: Options, *, everything: bool) -> None:
    from vasculum.cli.plan_json import plan_as_json
    from vasculum.cli.plan_view import print_plan
    from vasculum.cli.printing import print_json

    if options.json:
        print_json(plan_as_json(planned))
    else:
        print_plan(planned, everything=everything)


def _show_report(
    planned: ImportPlan, report: ImportReport, options: Options, root: Path, *, everything: bool
) -> None:
    from vasculum.cli.plan_json import report_as_json
    from vasculum.cli.printing import print_json
    from vasculum.cli.report_view import print_report

    if options.json:
        print_json(report_as_json(planned, report, root))
    else:
        print_report(planned, report, everything=everything)


@contextmanager
def _repository(options: Options, *, only_plan: bool) -> Iterator[Repository]:
    """Open the repository; make it where there is none, somewhere that goes away where nothing may change."""
    with ExitStack() as stack:
        repository = _opened(options.settings.repository)
        if repository is None:
            repository = _made(options.settings.repository, stack, only_plan=only_plan)
        stack.callback(repository.close)
        yield repository


def _opened(folder: Path) -> Repository | None:
    import vasculum
    from vasculum.errors import NotFound

    try:
        return vasculum.open_repository(folder)
    except NotFound:
        return None


def _made(folder: Path, stack: ExitStack, *, only_plan: bool) -> Repository:
    import tempfile

    import vasculum
    from vasculum.cli.printing import remark

    if only_plan:
        remark(f"There is no repository in {folder} yet; an import makes one.")
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="vasculum-plan-"))
        return vasculum.init_repository(Path(temporary) / "repository")
    repository = vasculum.init_repository(folder)
    remark(f"Made a repository in {folder}.")
    return repository
