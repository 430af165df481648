"""Parts of a contract that are guesses, whatever the table came from: a reference, a promise of freshness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from groundwork.infer.profile import Guess
from groundwork.infer.propose import ColumnProposal, RelationshipProposal
from groundwork.infer.quality_words import event_rank


def reference(found: RelationshipProposal, pointer: str) -> tuple[dict[str, Any], Guess]:
    """The reference as an entry of `relationships`, and the guess that it is; it stands at `pointer`."""
    what = f"{', '.join(found.columns)} refers to {found.target_table}"
    entry = {
        "from": [f"{found.table}.{column}" for column in found.columns],
        "to": [f"{found.target_table}.{column}" for column in found.target_columns],
    }
    return entry, Guess(pointer=pointer, what=what, evidence=found.evidence, confidence=found.confidence)


def freshness(table: str, columns: Iterable[ColumnProposal]) -> tuple[dict[str, Any], Guess] | None:
    """The service level of the column that tells best when rows come in, null where none does."""
    timed = [column for column in columns if column.freshness]
    best = min(timed, key=lambda column: event_rank(column.name) or 0, default=None)
    if best is None or best.freshness is None:
        return None
    guess = next(guess for guess in best.guesses if guess.pointer == "/freshness")
    value, unit = best.freshness
    level = {"property": "freshness", "value": int(value), "unit": unit, "element": table}
    return level, replace(guess, evidence=f"{best.name}: {guess.evidence}")
