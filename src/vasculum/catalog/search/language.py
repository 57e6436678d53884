"""The query language (DESIGN 6.3): text to `Query`.

::

    species:"Mus musculus" (landmarks>=12 OR NOT kind:mesh) KVP>100 study-date:2019..2021
    has:segmentation("mandible") derived-from:"AMNH123456" voxel<0.05 "free text" craniof*

Terms side by side must all hold. ``:`` and ``=`` compare without case and take ``*`` and ``?``; ``==`` compares exactly.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from vasculum.catalog.values import as_number, as_text
from vasculum.errors import QuerySyntax
from vasculum.model.query import And, Between, Compare, DerivedFrom, Everything, Has, Not, Op, Or, Query, Scalar, Text

GRAMMAR = r"""
start: either?
?either: both (_OR both)*
?both: single (_AND? single)*
?single: _NOT single                        -> negation
    | "(" either ")"
    | HAS                                   -> has
    | HAS_NAMED [value] ")"                 -> has
    | _DERIVED value                        -> derived_from
    | (FIELD | QUOTED_FIELD) OPERATOR value -> compare
    | (FIELD | QUOTED_FIELD) OPERATOR [value] _RANGE value -> between
    | (FIELD | QUOTED_FIELD) OPERATOR value _RANGE_END     -> at_least
    | (STRING | WORD)                       -> words
?value: STRING -> quoted
    | BARE     -> bare

_OR.4: /OR(?![^\s()])/
_AND.4: /AND(?![^\s()])/
_NOT.4: /NOT(?![^\s()])/
HAS_NAMED.6: /has\s*:\s*[A-Za-z]+\(/i
HAS.5: /has\s*:\s*[A-Za-z]+/i
_DERIVED.5: /derived-from\s*[:=]/i
FIELD.3: /(?:(?:dwc|dwciri|dcterms|dc):)?\w[\w.\-\/,]*(?=\s*[:<>=])/i
QUOTED_FIELD.3: /"(?:[^"\\]|\\.)*"(?=\s*[:<>=])/
OPERATOR: /==|<=|>=|[:<>=]/
_RANGE.2: /\.\.(?=[^\s)])/
_RANGE_END.2: /\.\.(?=[\s)]|$)/
STRING: /"(?:[^"\\]|\\.)*"\*?/s
BARE: /(?:(?!\.\.)[^\s()"])+/
WORD: /(?!(?:OR|AND|NOT)(?![^\s()]))[^\s()":<>=]+/
%ignore /\s+/
"""


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=True)


def parse(text: str) -> Query:
    """Read a query; the empty text is `Everything`.

    Raises
    ------
    QuerySyntax
        With the column where reading stopped.
    """
    try:
        tree = _parser().parse(text)
    except UnexpectedEOF as error:
        raise QuerySyntax("the query ends too early", column=len(text) + 1) from error
    except UnexpectedCharacters as error:
        position = error.pos_in_stream or 0
        raise QuerySyntax(_unreadable(text, position), column=position + 1) from error
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise QuerySyntax(_ending(text), column=len(text) + 1) from error
        raise QuerySyntax(f"{str(error.token)[:40]!r} is not expected here", column=_column(error.token)) from error
    except UnexpectedInput as error:
        raise QuerySyntax("this is not a query", column=1) from error
    query: Query = _Tree().transform(tree)
    return query


def _ending(text: str) -> str:
    return "a parenthesis is not closed" if text.count("(") > text.count(")") else "the query ends too early"


def _unreadable(text: str, position: int) -> str:
    if text[position : position + 1] == '"':
        return "a quotation mark is not closed"
    return f"{text[position : position + 1]!r} is not expected here"


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _scalar(value: Any) -> Scalar:
    """Make a number of what is written as one and reads back the same; anything else stays text."""
    text, quoted = value
    number = None if quoted else as_number(text)
    if number is None or as_text(number) != text.lstrip("+"):
        return str(text)
    return int(number) if number.is_integer() else number


def _unquoted(token: str) -> str:
    body = token[1 : token.rindex('"')]
    return body.replace('\\"', '"').replace("\\\\", "\\") if "\\" in body else body


def _field(token: Token) -> str:
    return _unquoted(token) if token.startswith('"') else str(token)


@v_args(inline=True)
class _Tree(Transformer[Token, Any]):
    def start(self, query: Query | None = None) -> Query:
        return Everything() if query is None else query

    def either(self, *terms: Query) -> Query:
        return Or(terms)

    def both(self, *terms: Query) -> Query:
        return And(terms)

    def negation(self, term: Query) -> Query:
        return Not(term)

    def quoted(self, token: Token) -> tuple[str, bool]:
        return _unquoted(token), True

    def bare(self, token: Token) -> tuple[str, bool]:
        return str(token), False

    def has(self, token: Token, name: tuple[str, bool] | None = None) -> Query:
        kind = token.rstrip("(").split(":", 1)[1].strip().lower()
        return Has(kind, "" if name is None else name[0], _column(token))

    def derived_from(self, value: tuple[str, bool]) -> Query:
        return DerivedFrom(value[0])

    def compare(self, field: Token, operator: Token, value: tuple[str, bool]) -> Query:
        op = Op.EQ if operator == ":" else Op(str(operator))
        return Compare(_field(field), op, _scalar(value), _column(field))

    def between(self, field: Token, _operator: Token, low: Any, high: Any) -> Query:
        return Between(_field(field), None if low is None else _scalar(low), _scalar(high), _column(field))

    def at_least(self, field: Token, _operator: Token, low: Any) -> Query:
        return Between(_field(field), _scalar(low), None, _column(field))

    def words(self, token: Token) -> Query:
        if not token.startswith('"'):
            return Text(str(token), _column(token))
        star = "*" if token.endswith("*") else ""
        return Text(f'"{_unquoted(token)}"{star}', _column(token))
