"""The one door (DESIGN house rule 1): faces and jobs call `Repository`, and nothing below it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from vasculum.catalog import Catalog
from vasculum.errors import Conflict, Invalid, NotFound, Unsupported
from vasculum.model.plans import ImportPlan, ImportReport
from vasculum.model.progress import Progress, Silent
from vasculum.model.query import Level, Query
from vasculum.model.records import Series, Study, Subject
from vasculum.repo.checking import CheckReport, check_everything
from vasculum.repo.scan import REPOSITORY_MARK
from vasculum.repo.views import Found, SeriesView
from vasculum.store.base import How
from vasculum.store.local import LocalStore

FORMAT_VERSION = 1
"""Version of the layout of a repository folder."""

CATALOG_FILE = "catalog.sqlite"


def init_repository(path: str | os.PathLike[str]) -> Repository:
    """Make a new, empty repository in a folder.

    Raises
    ------
    Conflict
        There is a repository, or the folder is not empty.
    """
    root = Path(path)
    if (root / REPOSITORY_MARK).exists():
        raise Conflict(f"there is a repository in {root.name} already")
    if root.exists() and any(p.name not in (CATALOG_FILE, "objects", "tmp") for p in root.iterdir()):
        raise Conflict(f"the folder {root.name} is not empty", hint="name a new folder for the repository")
    from vasculum.store.durable import write_atomically

    (root / "objects").mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    if not (root / CATALOG_FILE).exists():
        Catalog.create(root / CATALOG_FILE).close()
    # The mark comes last: a folder that has it is a whole repository.
    write_atomically(
        root / REPOSITORY_MARK, json.dumps({"vasculum": "repository", "format": FORMAT_VERSION}).encode()
    )
    return open_repository(root)


def open_repository(path: str | os.PathLike[str]) -> Repository:
    """Open a repository folder.

    Raises
    ------
    NotFound
        There is no repository there.
    Unsupported
        A newer version of vasculum made it.
    """
    root = Path(path)
    mark = root / REPOSITORY_MARK
    if not mark.exists():
        raise NotFound(f"there is no repository in {root.name}", hint=f"make one: vasculum init {root.name}")
    version = json.loads(mark.read_text("utf-8")).get("format")
    if version != FORMAT_VERSION:
        raise Unsupported(f"the repository has format {version}, this vasculum reads {FORMAT_VERSION}")
    return Repository(root)


class Repository:
    """A repository of images and everything made from them. Get one by `open_repository` or `init_repository`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalog = Catalog.open(root / CATALOG_FILE)
        self.store = LocalStore(root, container=self._container)

    def __enter__(self) -> Repository:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database and of scratch files."""
        self.catalog.close()
        self.store.close()

    def __repr__(self) -> str:
        return f"<vasculum repository {self.root.name}: {self.count()} series>"

    def _container(self, sha256: str) -> Any:
        blob = self.catalog.blob(sha256)
        if blob is None:
            raise NotFound("the container of this file is not in the repository", hint="import it again")
        return blob

    # --- import --------------------------------------------------------------------------------------------------

    def plan_import(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        project: str = "default",
        metadata: str | os.PathLike[str] | None = None,
        in_place: bool = False,
        voxel_size: tuple[float, float, float] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> ImportPlan:
        """Look at files and folders and say what an import would do; nothing is imported.

        Parameters
        ----------
        paths
            Files and folders, of any kind, mixed.
        project
            Name of the project; made if there is none of that name when the plan is executed.
        metadata
            A CSV, TSV or XLSX with a column that names subjects (``subject``) or files (``file``).
        voxel_size
            Millimetres along (i, j, k), for stacks of pictures that do not say theirs.
        workers
            Child processes that look into files; default: as many as there are processors.

        Raises
        ------
        NotFound
            A path does not exist.
        """
        from vasculum.repo.plan import ImportRequest, plan_import

        request = ImportRequest(
            paths=[Path(p) for p in paths],
            project=project,
            metadata=Path(metadata) if metadata else None,
            in_place=in_place,
            voxel_size=voxel_size,
            workers=workers or os.cpu_count() or 1,
        )
        return plan_import(request, self.catalog, self.store, progress or Silent())

    def execute(
        self, plan: ImportPlan, *, how: How = "copy", in_place: bool = False, progress: Progress | None = None
    ) -> ImportReport:
        """Carry a plan out. Safe to repeat, and safe to kill: run it again, and it completes what is missing."""
        from uuid_utils import uuid7

        from vasculum.model.records import Project
        from vasculum.repo.execute import Execution

        if all(p.name != plan.project for p in self.catalog.projects()):
            with self.catalog.transaction() as writer:
                writer.put_project(Project(id=str(uuid7()), name=plan.project))
        return Execution(plan, self.catalog, self.store, in_place=in_place, how=how).run(progress or Silent())

    # --- find and show -------------------------------------------------------------------------------------------

    def find(
        self,
        query: str | Query = "",
        *,
        level: Level | str = Level.SERIES,
        project: str = "",
        limit: int | None = None,
        offset: int = 0,
        order: Sequence[str] = (),
    ) -> list[Any]:
        """Search by anything; see ``docs/reference/query-language.md``.

        Returns
        -------
        list
            `Found`, a list of `SeriesView`, at level ``series``, else `Subject` or `Study` records.

        Raises
        ------
        QuerySyntax
            The query cannot be read; the error has the column and the nearest field.
        """
        records = self.catalog.find(
            query, level=_level(level), project=project, limit=limit, offset=offset, order=order
        )
        if _level(level) is Level.SERIES:
            return Found(SeriesView(self, r) for r in records if isinstance(r, Series))
        return list(records)

    def count(self, query: str | Query = "", *, level: Level | str = Level.SERIES) -> int:
        """Count what `find` would give."""
        return self.catalog.count(query, level=_level(level))

    def facets(
        self, query: str | Query, field: str, *, level: Level | str = Level.SERIES, limit: int = 50
    ) -> list[tuple[str, int]]:
        """Count the values of a field among what a query finds, most frequent first."""
        return self.catalog.facets(query, field, level=_level(level), limit=limit)

    def columns(self, level: Level | str, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, list[Any]]]:
        """Give the values of any fields of some subjects, studies or series, exactly as they were stored."""
        return self.catalog.columns(_level(level), ids, fields)

    def get(self, identifier: str) -> SeriesView | Subject | Study:
        """Give a subject, study or series by its id (or the beginning of it), UID or label.

        Raises
        ------
        NotFound, Conflict
            Nothing, or more than one thing, is called so.
        """
        level, found = self.catalog.resolve(identifier)
        if level is Level.SUBJECT:
            return self.catalog.subject(found)
        if level is Level.STUDY:
            return self.catalog.study(found)
        return SeriesView(self, self.catalog.series(found))

    def show(self, identifier: str) -> dict[str, Any]:
        """Give everything about a subject, study or series, ready for JSON. Raises as `get`."""
        from vasculum.repo.show import show

        return show(self.catalog, *self.catalog.resolve(identifier))

    # --- annotate ------------------------------------------------------------------------------------------------

    def set(self, identifier: str, fields: Mapping[str, Any]) -> None:
        """Set metadata of a subject, study or series; None removes a field. ``voxel-size`` completes a stack.

        Raises
        ------
        NotFound, Conflict
            As `get`.
        Invalid
            A value does not fit the project's metadata schema, or the series has a voxel size of its own.
        """
        from vasculum.repo.annotate import annotate

        annotate(self.catalog, *self.catalog.resolve(identifier), fields, datetime.now(UTC))

    # --- out -----------------------------------------------------------------------------------------------------

    def pack(
        self,
        what: str,
        output: str | os.PathLike[str],
        *,
        with_originals: bool = False,
        progress: Progress | None = None,
    ) -> Any:
        """Write one file with everything of a subject: an MRB for Slicer that is a DICOM file-set (DESIGN 4.1).

        Parameters
        ----------
        what
            A subject's label or id, or a query that finds one subject.

        Raises
        ------
        NotFound
            Nothing fits.
        Unsupported
            More than one subject fits.
        """
        from vasculum.repo.packing import pack

        return pack(self, what, Path(output), with_originals=with_originals, progress=progress or Silent())

    def export(
        self,
        query: str | Query,
        folder: str | os.PathLike[str],
        *,
        form: str = "original",
        progress: Progress | None = None,
    ) -> Any:
        """Write what a query finds into a folder, as ``original``, ``nrrd``, ``nifti`` or ``csv``."""
        from vasculum.repo.export import FORMS, export

        if form not in FORMS:
            raise Invalid(f"there is no export form {form!r}", hint="one of " + ", ".join(FORMS))
        return export(self, query, Path(folder), form, progress or Silent())

    # --- keep ----------------------------------------------------------------------------------------------------

    def check(self, *, progress: Progress | None = None) -> CheckReport:
        """Read every stored byte again, compare it with its digest, and check the catalogue and the audit chain."""
        return check_everything(self.catalog, self.store, progress or Silent())


def _level(level: Level | str) -> Level:
    try:
        return Level(level)
    except ValueError:
        raise Invalid(f"there is no level {level!r}", hint="subject, study or series") from None
