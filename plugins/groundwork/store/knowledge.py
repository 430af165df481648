"""Knowledge of remedies: what strikes have shown and what people have taught.

Outcomes are not copied: a trial is a strike whose outcome is known. Grain of `lesson`: one row per thing a person said,
about a remedy in general or about the outcome of one strike; it is never changed but for being withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, ForeignKey, Index, Table, Text, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, Fault
from groundwork.model.knowledge import WAITING, Trial, Verdict
from groundwork.store.base import METADATA, identity, moment
from groundwork.store.strike import STRIKE

LESSON = Table(
    "lesson",
    METADATA,
    identity(),
    Column("fault_class", Text, nullable=False, comment="name of the error pattern"),
    Column("remedy", Text, nullable=False),
    Column("verdict", Text, nullable=False, comment="works, fails or harmful"),
    Column(
        "circumstances",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="where it holds; what is left out holds everywhere",
    ),
    Column("strike_id", BigInteger, ForeignKey(STRIKE.c.id), comment="the strike whose outcome it corrects"),
    Column("note", Text, nullable=False, comment="why"),
    Column("taught_by", Text, nullable=False),
    moment("taught_at"),
    moment("withdrawn_at", nullable=True),
    Column("withdrawn_by", Text),
    Column("withdrawn_because", Text),
    Index(None, "fault_class"),
)
_VERDICTS = {"healed": Verdict.WORKS, "failed_again": Verdict.FAILS}
_WORD = 5.0  # trials that a person's word counts for
_MOST = 5_000  # newest strikes of a class that are looked at; older ones count next to nothing


class Knowledge:
    """Repository of trials and lessons."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def trials(self, fault_class: str | None = None) -> list[Trial]:
        """Everything known of one class of faults, or of all; newest first."""
        strikes = select(STRIKE).where(STRIKE.c.outcome.in_(_VERDICTS)).order_by(STRIKE.c.id.desc()).limit(_MOST)
        lessons = select(LESSON).where(LESSON.c.withdrawn_at.is_(None)).order_by(LESSON.c.id.desc())
        if fault_class is not None:
            strikes = strikes.where(STRIKE.c.fault_class == fault_class)
            lessons = lessons.where(LESSON.c.fault_class == fault_class)
        taught = self._rows(lessons)
        corrected: dict[tuple[int, str], Verdict] = {}
        for row in reversed(taught):  # the newest word counts
            if row["strike_id"] is not None:
                corrected[row["strike_id"], row["remedy"]] = Verdict(row["verdict"])
        found = [trial for row in self._rows(strikes) for trial in _of_strike(row, corrected)]
        found += [_of_lesson(row) for row in taught if row["strike_id"] is None]
        return sorted(found, key=lambda trial: trial.at, reverse=True)

    def teach(
        self,
        fault_class: str,
        remedy: str,
        verdict: Verdict,
        *,
        note: str,
        taught_by: str,
        circumstances: Circumstances | None = None,
    ) -> int:
        """Keep what a person knows of a remedy; the lesson's id."""
        where = {name: value for name, value in asdict(circumstances or Circumstances()).items() if value is not None}
        return self._insert(
            fault_class=fault_class,
            remedy=remedy,
            verdict=verdict,
            circumstances=where,
            note=note,
            taught_by=taught_by,
        )

    def correct(self, strike_id: int, remedy: str, verdict: Verdict, *, note: str, taught_by: str) -> int:
        """Say how a strike's remedy really ended; the lesson's id.

        Raises: ConfigError when there is no such strike, its outcome is not known yet, or the remedy did not run.
        """
        rows = self._rows(select(STRIKE).where(STRIKE.c.id == strike_id))
        tried = [trial.remedy for row in rows if row["outcome"] in _VERDICTS for trial in _of_strike(row, {})]
        if remedy not in tried:
            raise ConfigError(
                "this outcome cannot be corrected",
                where=f"strike {strike_id}",
                expected=f"one of {', '.join(tried)}" if tried else "a strike whose outcome is known",
                found=remedy if rows else "no such strike",
                next_step="groundwork knowledge search lists what was tried, and where",
            )
        return self._insert(
            fault_class=rows[0]["fault_class"],
            remedy=remedy,
            verdict=verdict,
            circumstances=rows[0]["circumstances"],
            strike_id=strike_id,
            note=note,
            taught_by=taught_by,
        )

    def withdraw(self, lesson_id: int, *, by: str, because: str) -> None:
        """Take a lesson back: it stays on record and counts no more.

        Raises: ConfigError when there is none of this id that still counts.
        """
        told = {"withdrawn_at": func.now(), "withdrawn_by": by, "withdrawn_because": because}
        change = update(LESSON).where(LESSON.c.id == lesson_id, LESSON.c.withdrawn_at.is_(None)).values(**told)
        with self._engine.begin() as connection:
            if not connection.execute(change).rowcount:
                raise ConfigError(
                    "there is no such lesson that still counts",
                    where="groundwork.lesson",
                    found=lesson_id,
                    next_step="groundwork knowledge show PATTERN lists the lessons",
                )

    def lessons(self, fault_class: str | None = None) -> list[Mapping[str, Any]]:
        """What people said, withdrawn or not, newest first; columns of `lesson`."""
        query = select(LESSON).order_by(LESSON.c.id.desc())
        return self._rows(query if fault_class is None else query.where(LESSON.c.fault_class == fault_class))

    def _insert(self, **values: Any) -> int:
        with self._engine.begin() as connection:
            return int(connection.scalar(insert(LESSON).values(**values).returning(LESSON.c.id)) or 0)

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _of_strike(row: Mapping[str, Any], corrected: Mapping[tuple[int, str], Verdict]) -> Iterator[Trial]:
    """One trial per remedy that did its work; waiting alone when none did. What several healed is shared out."""
    done = [each for each in row["remedies"] if each["is_done"]] or [{"remedy": WAITING}]
    observed = _VERDICTS[row["outcome"]]
    for remedy in done:
        name = str(remedy["remedy"])
        verdict = corrected.get((row["id"], name), observed)
        yield Trial(
            origin=f"strike {row['id']}",
            fault=_fault(row),
            circumstances=Circumstances(**row["circumstances"]),
            remedy=name,
            verdict=verdict,
            at=row["struck_at"],
            share=1 / len(done) if verdict is Verdict.WORKS else 1.0,
            cost_seconds=float(remedy.get("seconds", 0.0)) + float(row["delay_seconds"] or 0.0),
        )


def _of_lesson(row: Mapping[str, Any]) -> Trial:
    return Trial(
        origin=f"lesson {row['id']}",
        fault=Fault(fault_class=row["fault_class"], exception="", message=row["note"]),
        circumstances=Circumstances(**row["circumstances"]),
        remedy=row["remedy"],
        verdict=Verdict(row["verdict"]),
        at=row["taught_at"],
        share=_WORD,
    )


def _fault(row: Mapping[str, Any]) -> Fault:
    return Fault(
        fault_class=row["fault_class"], exception=row["exception"], message=row["message"], sqlstate=row["sqlstate"]
    )
