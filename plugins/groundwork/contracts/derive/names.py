"""The names that PostgreSQL itself gives to what a table owns, within its limit on the length of a name.

A table made by hand without naming its keys therefore compares equal to one that was derived from a contract.
Source: `makeObjectName` in PostgreSQL's `src/backend/commands/indexcmds.c`.
"""

from __future__ import annotations

LONGEST_NAME = 63  # bytes that PostgreSQL keeps of an identifier


def object_name(first: str, second: str | None, label: str) -> str:
    """`first_second_label`, where the longer of the two names is cut until all fits into 63 bytes.

    >>> object_name("sales", "customer_id", "fkey")
    'sales_customer_id_fkey'
    >>> object_name("a" * 60, None, "pkey") == "a" * 58 + "_pkey"
    True
    """
    names = [first.encode()] + ([] if second is None else [second.encode()])
    room = LONGEST_NAME - len(names) - len(label.encode())
    lengths = [len(name) for name in names]
    while sum(lengths) > room:
        longest = 0 if len(lengths) == 1 or lengths[0] > lengths[1] else 1
        lengths[longest] -= 1
    cut = [name[:length].decode(errors="ignore") for name, length in zip(names, lengths, strict=True)]
    return "_".join([*cut, label])


def joined_columns(columns: tuple[str, ...]) -> str:
    """The names of a key's columns as they enter the key's own name: joined until 64 bytes are reached.

    Source: `ChooseForeignKeyConstraintNameAddition` and `ChooseIndexNameAddition`.
    """
    text = b""
    for column in columns:
        text += (b"_" if text else b"") + column.encode()
        if len(text) > LONGEST_NAME:
            break
    return text[:LONGEST_NAME].decode(errors="ignore")
