"""From the signs (name, type, values, neighbours) to a verdict with a confidence and its reasons.

Pure: no database, no file. A name that says it by itself counts unless the values contradict it; a name that only
hints needs values or neighbours; values alone count where a check digit or a structure makes them evident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundwork.governance.classification.names import (
    NameHit,
    demanded_by_name,
    is_about_persons,
    is_version,
    match_name,
)
from groundwork.governance.classification.values import ValueHit, match_values
from groundwork.model.detection import Detection, Signal
from groundwork.model.vocabulary import Classification, PersonalData

THRESHOLD = 0.6  # confidence from which a kind of personal data counts as detected
_ENOUGH = 3  # distinct values from which values may speak
_ENOUGH_ALONE = 5  # distinct values from which values may speak without the name
_TEXT = frozenset({"text", "varchar", "character varying", "char", "character", "bpchar", "string", "name"})
_JSON = frozenset({"json", "jsonb"})
_WHOLE = frozenset({"bigint", "integer", "int", "int4", "int8", "smallint", "numeric", "decimal"})
_DATES = frozenset({"date", "timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone"})
_ADDRESSES = frozenset({"inet", "cidr"})
_TYPES: Mapping[PersonalData, frozenset[str]] = {
    PersonalData.NAME: _TEXT | _JSON,
    PersonalData.EMAIL: _TEXT | _JSON,
    PersonalData.PHONE: _TEXT | _WHOLE,
    PersonalData.ADDRESS: _TEXT | _JSON,
    PersonalData.PAYMENT_CARD: _TEXT | _WHOLE,
    PersonalData.IBAN: _TEXT,
    PersonalData.NATIONAL_ID: _TEXT | _WHOLE,
    PersonalData.IP_ADDRESS: _TEXT | _ADDRESSES,
    PersonalData.DATE_OF_BIRTH: _TEXT | _DATES | frozenset({"integer", "smallint", "int", "int4"}),
    PersonalData.HEALTH: _TEXT | _JSON,
}
# Kinds whose recognizers know nearly every real value: a strong name that the values contradict does not count.
_DECISIVE = frozenset(
    {PersonalData.EMAIL, PersonalData.PHONE, PersonalData.NAME, PersonalData.PAYMENT_CARD, PersonalData.IBAN,
     PersonalData.IP_ADDRESS, PersonalData.DATE_OF_BIRTH}
)  # fmt: skip
_PERSON_KINDS = frozenset(
    {PersonalData.EMAIL, PersonalData.PHONE, PersonalData.NAME, PersonalData.DATE_OF_BIRTH, PersonalData.NATIONAL_ID}
)
DEMANDED: Mapping[PersonalData, Classification] = {
    PersonalData.NAME: Classification.CONFIDENTIAL,
    PersonalData.EMAIL: Classification.CONFIDENTIAL,
    PersonalData.PHONE: Classification.CONFIDENTIAL,
    PersonalData.ADDRESS: Classification.CONFIDENTIAL,
    PersonalData.IP_ADDRESS: Classification.CONFIDENTIAL,
    PersonalData.DATE_OF_BIRTH: Classification.CONFIDENTIAL,
    PersonalData.PAYMENT_CARD: Classification.RESTRICTED,
    PersonalData.IBAN: Classification.RESTRICTED,
    PersonalData.NATIONAL_ID: Classification.RESTRICTED,
    PersonalData.HEALTH: Classification.RESTRICTED,
}


@dataclass(frozen=True, kw_only=True)
class ColumnSample:
    """A column as it is judged: `type` is PostgreSQL's word, `values` are sampled texts without nulls."""

    schema: str
    table: str
    column: str
    type: str
    values: Sequence[str] = ()
    neighbours: Sequence[str] = ()


def judge(sample: ColumnSample, demanded: Mapping[PersonalData, Classification] = DEMANDED) -> Detection:
    """The verdict on one column; `demanded` says how guarded each kind of personal data has to be."""
    base = sample.type.lower().partition("(")[0].strip()
    names = [hit for hit in match_name(sample.column) if base in _TYPES[hit.personal_data]]
    values = [hit for hit in _value_hits(sample, base) if base in _TYPES[hit.personal_data]]
    context = _context(sample)
    count = len({value for value in sample.values if value and value.strip()})
    best: tuple[float, PersonalData, list[Signal]] | None = None
    for kind in PersonalData:
        support = context or (_beside_address(sample) if kind is PersonalData.ADDRESS else None)
        confidence, signals = _score(kind, names, values, support, count)
        if confidence >= THRESHOLD and (best is None or confidence > best[0]):
            best = confidence, kind, signals
    if best is not None:
        confidence, kind, signals = best
        signals.append(Signal(kind="type", rule=f"{base} can hold it"))
        return _detection(sample, kind, demanded[kind], confidence, signals, count)
    return _not_personal(sample, base, count)


def _value_hits(sample: ColumnSample, base: str) -> tuple[ValueHit, ...]:
    if base not in _TEXT | _JSON | _WHOLE | _DATES | _ADDRESSES:
        return ()
    hits = match_values(sample.values)
    if is_version(sample.column):
        hits = tuple(hit for hit in hits if hit.personal_data is not PersonalData.IP_ADDRESS)
    return hits


def _context(sample: ColumnSample) -> Signal | None:
    """What the table's name or the other columns say about its rows being persons."""
    if is_about_persons(sample.table):
        return Signal(kind="neighbour", rule="the table's name says its rows are persons")
    for neighbour in sample.neighbours:
        if neighbour != sample.column and any(
            hit.is_strong and hit.personal_data in _PERSON_KINDS for hit in match_name(neighbour)
        ):
            return Signal(kind="neighbour", rule=f"stands beside `{neighbour}`")
    return None


def _beside_address(sample: ColumnSample) -> Signal | None:
    """Whether a postal code stands beside a street: then it is part of that address."""
    for neighbour in sample.neighbours:
        hits = match_name(neighbour) if neighbour != sample.column else ()
        if any(hit.is_strong and hit.personal_data is PersonalData.ADDRESS for hit in hits):
            return Signal(kind="neighbour", rule=f"stands beside `{neighbour}`")
    return None


def _score(
    kind: PersonalData, names: Sequence[NameHit], values: Sequence[ValueHit], context: Signal | None, count: int
) -> tuple[float, list[Signal]]:
    name = next((hit for hit in names if hit.personal_data is kind), None)
    best = max((hit for hit in values if hit.personal_data is kind), key=lambda hit: hit.share, default=None)
    evident = max(
        (hit for hit in values if hit.personal_data is kind and hit.is_self_evident),
        key=lambda hit: hit.share,
        default=None,
    )
    if name is not None and name.is_strong:
        return _by_strong_name(kind, name, best, count)
    if name is not None:
        confidence, signals = _by_weak_name(kind, name, values, context, count)
        if confidence >= THRESHOLD:
            return confidence, signals
    return _by_values(kind, evident, best, context, count)


def _by_strong_name(kind: PersonalData, name: NameHit, best: ValueHit | None, count: int) -> tuple[float, list[Signal]]:
    signals = [Signal(kind="name", rule=f"says `{name.phrase}`")]
    if count < _ENOUGH:
        return 0.75, signals
    share = best.share if best else 0.0
    if best is not None:
        signals.append(Signal(kind="value", rule=best.rule, share=share))
    if share >= 0.5:
        return 0.9 + 0.09 * share, signals
    return (0.3 if kind in _DECISIVE else 0.7), signals


def _by_weak_name(
    kind: PersonalData, name: NameHit, values: Sequence[ValueHit], context: Signal | None, count: int
) -> tuple[float, list[Signal]]:
    signals = [Signal(kind="name", rule=f"hints `{name.phrase}`")]
    supporting = [hit for hit in values if hit.personal_data is kind and hit.rule != "reads as a person's name"]
    best = max(supporting, key=lambda hit: hit.share, default=None)
    if best is not None and best.share >= 0.6 and count >= _ENOUGH and (context or name.phrase != "name"):
        signals.append(Signal(kind="value", rule=best.rule, share=best.share))
        return 0.8 + 0.1 * best.share, signals + ([context] if context else [])
    is_silent = count < _ENOUGH or kind not in _DECISIVE
    if context is not None and is_silent and kind is not PersonalData.PHONE:
        return 0.65, [*signals, context]
    return 0.3, signals


def _by_values(
    kind: PersonalData, evident: ValueHit | None, best: ValueHit | None, context: Signal | None, count: int
) -> tuple[float, list[Signal]]:
    if evident is not None and evident.share >= 0.8 and count >= _ENOUGH_ALONE:
        return 0.7 + 0.15 * evident.share, [Signal(kind="value", rule=evident.rule, share=evident.share)]
    if kind is PersonalData.EMAIL and best is not None and best.share >= 0.3 and count >= _ENOUGH_ALONE:
        return 0.62, [Signal(kind="value", rule=best.rule, share=best.share)]
    return 0.0, []


def _not_personal(sample: ColumnSample, base: str, count: int) -> Detection:
    demand = demanded_by_name(sample.column) if base != "boolean" else None
    if demand is None:
        signals = [Signal(kind="value" if count else "name", rule="no rule matched")]
        return _detection(sample, None, Classification.PUBLIC, 0.8 if count >= _ENOUGH else 0.6, signals, count)
    classification, phrase = demand
    return _detection(sample, None, classification, 0.75, [Signal(kind="name", rule=f"says `{phrase}`")], count)


def _detection(
    sample: ColumnSample,
    kind: PersonalData | None,
    classification: Classification,
    confidence: float,
    signals: Sequence[Signal],
    count: int,
) -> Detection:
    return Detection(
        schema=sample.schema,
        table=sample.table,
        column=sample.column,
        personal_data=kind,
        classification=classification,
        confidence=round(confidence, 2),
        evidence=tuple(signals),
        sampled=count,
    )
