"""The options of a sequence as SQL words, each number checked to be one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundwork.contracts.derive.types import column_type
from groundwork.model.errors import ConfigError

_NUMBERS = {
    "increment": "INCREMENT BY",
    "minimum": "MINVALUE",
    "maximum": "MAXVALUE",
    "start": "START WITH",
    "cache": "CACHE",
}
_INTEGERS = {"SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint"}


def sequence_words(options: Mapping[str, Any], *, where: str) -> list[str]:
    """The words for CREATE or ALTER SEQUENCE.

    Raises: ConfigError for an option nobody knows, a type that holds no whole numbers, a number that is none.
    """
    unknown = sorted(set(options) - {*_NUMBERS, "type", "cycle"})
    if unknown:
        raise ConfigError(
            f"sequences have no option `{unknown[0]}`",
            where=where,
            expected=", ".join([*_NUMBERS, "cycle", "type"]),
            found=unknown[0],
        )
    words = [f"AS {_integer_type(str(options['type']), where)}"] if "type" in options else []
    words += [f"{word} {whole_number(options[name], where)}" for name, word in _NUMBERS.items() if name in options]
    return [*words, *(["CYCLE"] if options.get("cycle") is True else [])]


def whole_number(value: object, where: str) -> int:
    """`value`, when it is a whole number.

    Raises: ConfigError when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(
            "this option of a sequence is no whole number", where=where, expected="e.g. 1000", found=value
        )
    return value


def _integer_type(written: str, where: str) -> str:
    found = _INTEGERS.get(str(column_type(written)))
    if found is None:
        raise ConfigError(
            "a sequence counts in whole numbers", where=where, expected="smallint, integer or bigint", found=written
        )
    return found
