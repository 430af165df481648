"""A column's shape as a property of a contract: exactly what the server has, and beside it what is proposed.

What contracts have no words for is told through `tell`, and left away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from groundwork.contracts.definition import sequence_options
from groundwork.contracts.derive.types import column_type
from groundwork.infer.contract_head import custom
from groundwork.infer.profile import Guess
from groundwork.infer.propose import ColumnProposal
from groundwork.infer.quality import allowed_values_rule
from groundwork.infer.types import logical_type_of
from groundwork.model.errors import ConfigError
from groundwork.model.shape import ColumnShape, SequenceShape
from groundwork.model.vocabulary import Classification

_COLLATE = " COLLATE "
_VIRTUAL = " VIRTUAL"
_PLACES = {"/masking": "/customProperties", "/enum": "/quality"}
_LIVE = ("/physicalType", "/required", "/unique")  # the database itself says these


def property_of(
    column: ColumnShape,
    *,
    key_position: int | None,
    is_unique: bool,
    enum_types: Mapping[str, str],
    domain_types: Mapping[str, str],
    proposed: ColumnProposal | None,
    tell: Callable[[str], None],
) -> dict[str, Any] | None:
    """The column as an entry of `properties`; null where contracts have no word for its type.

    `enum_types` are the contract's enum types, and `domain_types` the base types of domains, by the server's text of
    the type. `tell` takes what is left out.
    """
    physical, _, collation = column.type.partition(_COLLATE)
    if physical in domain_types:
        tell(f"has the domain {physical}, and its base type {domain_types[physical]} in the contract")
        physical = domain_types[physical]
    said = _physical(physical, enum_types)
    if said is None:
        tell(f"has the type {physical}, which no contract can declare")
        return None
    values = proposed.allowed_values if proposed else ()
    generated = column.generated or ""
    data: dict[str, Any] = {
        "name": column.name,
        "logicalType": "string" if physical.removesuffix("[]") in enum_types else logical_type_of(physical),
        "physicalType": said,
        "primaryKey": True if key_position else None,
        "primaryKeyPosition": key_position,
        "required": not column.nullable,
        "unique": True if is_unique else None,
        "classification": str(proposed.classification if proposed else Classification.INTERNAL),
        "description": column.comment,
        "quality": [allowed_values_rule(values)] if values else None,
        "logicalTypeOptions": dict(proposed.options) if proposed and proposed.options else None,
        "customProperties": custom(
            {
                "default": _plain_default(column.default, physical),
                "identity": column.identity,
                "sequence": numbering(column.sequence, physical) if column.sequence else None,
                "generated": generated.removesuffix(_VIRTUAL) or None,
                "generatedKind": "virtual" if generated.endswith(_VIRTUAL) else None,
                "collation": _collation(collation, tell),
                "personalData": str(proposed.personal_data) if proposed and proposed.personal_data else None,
                "masking": proposed.masking if proposed and proposed.personal_data else None,
            }
        )
        or None,
    }
    if physical.endswith("[]"):
        data |= {"logicalType": "array"}
    return {name: value for name, value in data.items() if value is not None}


def guesses_of(proposed: ColumnProposal, data: Mapping[str, Any], pointer: str) -> Iterator[Guess]:
    """What was guessed of the column, at its places in `data`, which stands at `pointer`."""
    for guess in proposed.guesses:
        place = _PLACES.get(guess.pointer, guess.pointer)
        if guess.pointer not in _LIVE and place.split("/")[1] in data:
            yield replace(guess, pointer=pointer + place)


def numbering(sequence: SequenceShape, kind: str) -> dict[str, Any]:
    """The options of a sequence that are not what they are for a sequence of the type `kind`, and where it began."""
    first = 1 if sequence.increment > 0 else -1
    return sequence_options(sequence, kind) | ({"start": sequence.start} if sequence.start != first else {})


def _physical(physical: str, enum_types: Mapping[str, str]) -> str | None:
    """The type as a contract writes it."""
    element = physical.removesuffix("[]")
    if element in enum_types:
        return enum_types[element] + physical[len(element) :]
    try:
        column_type(physical)
    except ConfigError:
        return None
    return physical


def _collation(written: str, tell: Callable[[str], None]) -> str | None:
    """The collation's bare name."""
    name = written.strip('"').replace('""', '"')
    if '"."' in written or ("." in written and not written.startswith('"')):
        tell(f"has the collation {written}, which is in a schema of its own")
        return None
    return name or None


def _plain_default(default: str | None, physical: str) -> str | None:
    """The default without a cast to the column's own type, which the server adds by itself."""
    if default is None:
        return None
    text = default.removesuffix(f"::{physical}")
    is_text = len(text) > 1 and text.startswith("'") and text.endswith("'") and "'" not in text[1:-1].replace("''", "")
    return text if is_text else default
