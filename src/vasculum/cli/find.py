"""``vasculum find``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

if TYPE_CHECKING:
    from vasculum.repo.repository import Repository

EXAMPLES = """\
Examples:
  vasculum find
      everything
  vasculum find 'species:"Mus musculus" voxel<0.05'
      a field with a value, and a comparison
  vasculum find 'Modality:CT SliceThickness<2'
      any DICOM attribute by its keyword
  vasculum find 'has:segmentation("mandible")'
      what holds a mandible, or has a segmentation that does
  vasculum find 'skull OR "left femur"'
      words anywhere
  vasculum find 'kind:volume' --facet Modality --facet species
      how many of each
  vasculum find --level subject --columns subject,strain,accession --format csv
  vasculum find 'study-date:2019..2021' --order=-study-date --limit 10

Quote the query, or the shell takes < and " away.
The whole language: docs, reference, query language."""

COLUMNS = {
    "subject": ("subject", "subject-kind", "species", "strain", "sex", "kind"),
    "study": ("subject", "study", "study-date", "modality"),
    "series": ("subject", "kind", "modality", "label", "format", "voxel"),
}
"""What is shown at each level unless --columns says otherwise."""

ROWS = 100
"""How many rows a table for people has unless --limit says otherwise; CSV and JSON have all."""


def find(
    *query: Annotated[str, Parameter(help="What to look for; nothing finds everything.", name="QUERY")],
    level: Annotated[Literal["subject", "study", "series"], Parameter(help="What to list.")] = "series",
    columns: Annotated[tuple[str, ...], Parameter(help="Fields to list, with commas between.")] = (),
    facet: Annotated[
        tuple[str, ...], Parameter(help="Count the values of this field instead; may be repeated.")
    ] = (),
    order: Annotated[
        tuple[str, ...], Parameter(help="Fields to sort by; --order=-FIELD is downwards.", allow_leading_hyphen=True)
    ] = (),
    limit: Annotated[int | None, Parameter(help="At most so many; 0 is all. A table has 100 unless told.")] = None,
    offset: Annotated[int, Parameter(help="Leave out so many at the beginning.")] = 0,
    style: Annotated[Literal["table", "csv", "json"], Parameter(name="--format", help="How to print.")] = "table",
    options: Options = NO_OPTIONS,
) -> int:
    """Search by anything that is known: header fields, metadata, names of segments, words."""
    from vasculum.cli.arguments import parse_names
    from vasculum.cli.exits import DONE
    from vasculum.errors import Invalid

    if (limit is not None and limit < 0) or offset < 0:
        raise Invalid("--limit and --offset count from 0")
    text = " ".join(query)
    form = "json" if options.json else style
    names = parse_names(columns)
    with closing(options.open()) as repository:
        if facet:
            _print_facets(repository.facets, text, parse_names(facet), level, form)
        else:
            most = (ROWS if form == "table" else None) if limit is None else (limit or None)
            found = repository.find(text, level=level, limit=most, offset=offset, order=parse_names(order))
            print_found(repository, found, level, names, form)
            if form == "table" and most is not None and len(found) == most:
                _say_more(repository.count(text, level=level), offset + most)
    return DONE


def print_found(repository: Repository, found: Sequence[Any], level: str, names: Sequence[str], form: str) -> None:
    """Print what was found: as ``table``, ``csv`` or ``json``.

    Parameters
    ----------
    found
        Subjects, studies or series, as `Repository.find` gives them.
    names
        Fields to list; empty for those of `COLUMNS`.
    """
    from vasculum.cli.printing import print_csv, print_json, print_table, say
    from vasculum.repo.show import summary

    if form == "json" and not names:
        print_json([summary(getattr(record, "record", record)) for record in found])
        return
    names = names or COLUMNS[level]
    values = repository.columns(level, [record.id for record in found], list(names))
    if form == "json":
        print_json(
            [{"id": r.id} | {n: _plain(v.get(n, ())) for n in names} for r, v in zip(found, values, strict=True)]
        )
    elif form == "csv":
        rows = ([record.id, *(v.get(n, ()) for n in names)] for record, v in zip(found, values, strict=True))
        print_csv(("id", *names), rows)
    elif found:
        shown = [[record.id, *(_short(v.get(n, ())) for n in names)] for record, v in zip(found, values, strict=True)]
        print_table(("ID", *names), shown, whole=("ID",))
    else:
        say("Nothing found.")


def _print_facets(facets: Any, text: str, names: Sequence[str], level: str, form: str) -> None:
    from vasculum.cli.printing import print_csv, print_json, print_table

    rows = [(name, value, n) for name in names for value, n in facets(text, name, level=level)]
    if form == "json":
        print_json([{"field": name, "value": value, "count": n} for name, value, n in rows])
    elif form == "csv":
        print_csv(("field", "value", "count"), rows)
    else:
        print_table(("Field", "Value", "Count"), [(f, v, f"{n:,}") for f, v, n in rows], numeric=("Count",))


def _say_more(total: int, shown: int) -> None:
    from vasculum.cli.printing import say

    if total > shown:
        say(f"… and {total - shown:,} more (--limit 0 shows all)")


def _plain(values: Sequence[Any]) -> Any:
    """Give nothing as null, one value as itself, several as a list."""
    return (None if not values else values[0]) if len(values) < 2 else list(values)


def _short(values: Sequence[Any]) -> str:
    """Give values for people: rounded, and of many the first."""
    if len(values) > 3:
        return f"{values[0]} … ({len(values)} values)"
    return ", ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
