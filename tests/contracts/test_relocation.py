"""Names of the domain's types and sequences get their schema, and nothing else in an expression changes."""

from __future__ import annotations

import pytest

from groundwork.contracts.relocation import Objects, relocated_expression
from groundwork.model.errors import ConfigError

OWN: Objects = {
    (None, "mood"): "new",
    ("old", "mood"): "new",
    (None, "Odd, name"): "new",
    ("old", "numbers"): 'it"s',
    (None, "numbers"): 'it"s',
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("'ok'::mood", "'ok'::\"new\".mood"),
        ("'ok'::old.mood", "'ok'::\"new\".mood"),
        ('\'ok\'::"old"."mood"', '\'ok\'::"new"."mood"'),
        ("'ok'::other.mood", "'ok'::other.mood"),
        ("CAST('ok' AS mood)", "CAST('ok' AS \"new\".mood)"),
        ("mood 'ok'", "\"new\".mood 'ok'"),
        ("'{ok}'::mood[] || ARRAY['ü'::mood]", "'{ok}'::\"new\".mood[] || ARRAY['ü'::\"new\".mood]"),
        ("'a'::\"Odd, name\"", '\'a\'::"new"."Odd, name"'),
        ("mood = 'mood'", "mood = 'mood'"),
        ("lower(mood)", "lower(mood)"),
        ("nextval('numbers')", 'nextval(\'"it""s"."numbers"\')'),
        ("nextval('old.numbers'::regclass)", 'nextval(\'"it""s"."numbers"\'::regclass)'),
        ("nextval('other.numbers'::regclass)", "nextval('other.numbers'::regclass)"),
        ("'numbers'", "'numbers'"),
        ("concat('numbers', 'old.numbers')", "concat('numbers', 'old.numbers')"),
        ("1 + 1", "1 + 1"),
    ],
)
def test_only_own_names_move(written: str, expected: str) -> None:
    assert relocated_expression(written, OWN) == expected


@pytest.mark.parametrize("hostile", ["'ok'::mood; DROP TABLE t", "'ok'::mood)", "'ok'::mood -- x", ""])
def test_what_is_not_one_expression_is_refused(hostile: str) -> None:
    with pytest.raises(ConfigError):
        relocated_expression(hostile, OWN)
