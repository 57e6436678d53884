"""The language: text to tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vasculum.catalog.search.language import parse
from vasculum.errors import QuerySyntax
from vasculum.model.query import And, Between, Compare, DerivedFrom, Everything, Has, Not, Op, Or, Text


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("kind:mesh", Compare("kind", Op.EQ, "mesh", 1)),
        ("KVP>100", Compare("KVP", Op.GT, 100, 1)),
        ("KVP <= 99.5", Compare("KVP", Op.LE, 99.5, 1)),
        ("a==007", Compare("a", Op.EXACT, "007", 1)),
        ("a:-5", Compare("a", Op.EQ, -5, 1)),
        ("a:1.50", Compare("a", Op.EQ, "1.50", 1)),
        ('a:"100"', Compare("a", Op.EQ, "100", 1)),
        ("subject:UWBM:Mamm:0082411", Compare("subject", Op.EQ, "UWBM:Mamm:0082411", 1)),
        ("dwc:scientificName:Mus*", Compare("dwc:scientificName", Op.EQ, "Mus*", 1)),
        ('"Own tag; %">0.5', Compare("Own tag; %", Op.GT, 0.5, 1)),
        ("Ñandú.größe:x", Compare("Ñandú.größe", Op.EQ, "x", 1)),
        (r'a:"say \"hi\" \\ C:\x"', Compare("a", Op.EQ, 'say "hi" \\ C:\\x', 1)),
        ("d:2019..2021", Between("d", 2019, 2021, 1)),
        ("d:2019-03..", Between("d", "2019-03", None, 1)),
        ("d:..2", Between("d", None, 2, 1)),
        ('d:"a b".."c"', Between("d", "a b", "c", 1)),
        ("(d:1..)", Between("d", 1, None, 2)),
        ("x:1.. y", And((Between("x", 1, None, 1), Text("y", 7)))),
        ("a b", And((Text("a", 1), Text("b", 3)))),
        ("a AND b", And((Text("a", 1), Text("b", 7)))),
        ("a OR b c", Or((Text("a", 1), And((Text("b", 6), Text("c", 8)))))),
        ("(a OR b) c", And((Or((Text("a", 2), Text("b", 7))), Text("c", 10)))),
        ("NOT NOT a", Not(Not(Text("a", 9)))),
        ("NOT(a)", Not(Text("a", 5))),
        ("nota OR orb", Or((Text("nota", 1), Text("orb", 9)))),
        ("ANDROID NOTE", And((Text("ANDROID", 1), Text("NOTE", 9)))),
        ('"free text"', Text('"free text"', 1)),
        ('"free te"*', Text('"free te"*', 1)),
        ("craniof*", Text("craniof*", 1)),
        ("+/+ 日本", And((Text("+/+", 1), Text("日本", 5)))),
        ("has:mesh", Has("mesh", "", 1)),
        ('a has:segmentation("left m")', And((Text("a", 1), Has("segmentation", "left m", 3)))),
        ("has:Mesh (b)", And((Has("mesh", "", 1), Text("b", 11)))),
        ('derived-from:"AMNH 1"', DerivedFrom("AMNH 1")),
        ("0018,1050:3", Compare("0018,1050", Op.EQ, 3, 1)),
    ],
)
def test_reads(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a:", 3),
        ("(a", 3),
        ("a)", 2),
        ('"a', 1),
        ('x:"a', 3),
        ("a AND", 6),
        ("NOT", 4),
        (">3", 1),
        ("a OR OR b", 6),
        ("()", 2),
    ],
)
def test_says_where_it_stopped(text: str, column: int) -> None:
    with pytest.raises(QuerySyntax) as caught:
        parse(text)
    assert caught.value.column == column


@given(st.text(max_size=40) | st.text(alphabet='ab:"()<>=.* \\ANDORNThas-', max_size=30))
def test_never_fails_otherwise(text: str) -> None:
    try:
        parse(text)
    except QuerySyntax as error:
        assert 1 <= error.column <= len(text) + 1


@given(st.text(max_size=60))
def test_any_text_can_be_quoted(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'label:"{escaped}"') == Compare("label", Op.EQ, value, 1)
