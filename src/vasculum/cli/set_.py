"""``vasculum set``."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

from cyclopts import Parameter

from vasculum.cli.options import NO_OPTIONS, Options

EXAMPLES = """\
Examples:
  vasculum set mouse-skull-01 species='Mus musculus' sex=female
      text, kept exactly as it is
  vasculum set mouse-skull-01 'strain=BKS.Cg-Dock7m +/+ Leprdb/J'
  vasculum set mouse-skull-01 weight:=21.5 'tags:=["juvenile", "stained"]'
      ':=' takes JSON: numbers, lists, true and false; null removes
  vasculum set ID voxel-size=12.5um
      for a stack that does not say how large a voxel is"""


def set_(
    id_: Annotated[str, Parameter(name="ID", help="Id or label of a subject, study or series.")],
    /,
    *fields: Annotated[
        str, Parameter(name="FIELD=VALUE", help="Fields and their values.", allow_leading_hyphen=True)
    ],
    options: Options = NO_OPTIONS,
) -> int:
    """Say what a subject, study or series is. Fields that are not named stay as they are."""
    from vasculum.cli.arguments import parse_fields, parse_voxel_size
    from vasculum.cli.exits import DONE
    from vasculum.cli.printing import counted, print_json, say
    from vasculum.errors import Invalid

    values = parse_fields(fields)
    if not values:
        raise Invalid("name a field and its value", hint="vasculum set ID species='Mus musculus'")
    if isinstance(size := values.get("voxel-size"), str):
        values["voxel-size"] = parse_voxel_size(size)
    with closing(options.open()) as repository:
        repository.set(id_, values)
        record = repository.show(id_)
    if options.json:
        print_json(record)
    else:
        say(f"Set {counted(len(values), 'field')} of {record.get('label') or id_}: {', '.join(values)}.")
    return DONE
