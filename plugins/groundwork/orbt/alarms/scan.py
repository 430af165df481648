"""Alarms over what is recorded in the store: one detector per `watch` word of the policy.

Detectors look and say; what an alarm leads to is told elsewhere. A detector that fails is told and holds up no other.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from sqlalchemy import Engine

from groundwork.orbt.alarms.rules import (
    Alarm,
    AlarmPolicy,
    AuditRule,
    ChainRule,
    CheckRule,
    DropRule,
    ScanRule,
    StrikesRule,
    SurgeRule,
    VerdictRule,
)
from groundwork.store.alarm_facts import AlarmFacts
from groundwork.store.audit import AuditTrail

_log = logging.getLogger(__name__)
PLATFORM = "platform"  # domain of what concerns no domain


def scan(store: Engine, policy: AlarmPolicy, now: datetime) -> tuple[tuple[Alarm, ...], tuple[str, ...]]:
    """Everything in the store that a rule calls an alarm, and the names of rules that could not be looked at."""
    since = now - timedelta(hours=policy.look_back_hours)
    found: list[Alarm] = []
    failed: list[str] = []
    for rule in policy.in_store:
        try:
            found.extend(_DETECTORS[type(rule)](rule, store, since, now))
        except Exception:  # one broken rule must not silence the others
            _log.exception("the alarm rule %s could not be looked at", rule.name)
            failed.append(rule.name)
    return tuple(found), tuple(failed)


def _alarm(rule: ScanRule, *, domain: str, subject: str, evidence: str, what: str) -> Alarm:
    return Alarm(
        rule=rule.name,
        kind=rule.kind,
        domain=domain,
        subject=subject,
        evidence=evidence,
        what=what,
        next_step=rule.next_step,
    )


def _chain(rule: ChainRule, store: Engine, _since: datetime, now: datetime) -> Iterator[Alarm]:
    verdict = AuditTrail(store).verify_onwards(now)
    if not verdict.is_intact:
        what = f"the audit trail is broken at event {verdict.broken_at}: {verdict.reason}"
        yield _alarm(rule, domain=PLATFORM, subject="audit trail", evidence=f"event {verdict.broken_at}", what=what)


def _verdicts(rule: VerdictRule, store: Engine, since: datetime, _now: datetime) -> Iterator[Alarm]:
    for row in AlarmFacts(store).failed_verdicts(since):
        is_meant = not rule.policies or row["policy"] in rule.policies
        if is_meant and (not rule.rules or row["rule"] in rule.rules) and row["effect"] in rule.effects:
            yield _alarm(
                rule,
                domain=row["domain"],
                subject=f"{row['domain']}: {row['subject']}",
                evidence=f"run {row['run_id']}",
                what=f"{row['policy']}.{row['rule']}: expected {row['expected']}, found {row['found']}",
            )


def _checks(rule: CheckRule, store: Engine, since: datetime, _now: datetime) -> Iterator[Alarm]:
    wanted = ((rule.kinds, "kind"), (rule.dimensions, "dimension"), (rule.severities, "severity"))
    for row in AlarmFacts(store).failed_checks(since):
        if all(not names or row[name] in names for names, name in wanted):
            yield _alarm(
                rule,
                domain=row["domain"],
                subject=row["check_id"],
                evidence=f"run {row['run_id']}, {row['stage']}",
                what=f"{row['schema_name']}.{row['table_name']}: expected {row['expected']}; {row['observed']}",
            )


def _drops(rule: DropRule, store: Engine, since: datetime, _now: datetime) -> Iterator[Alarm]:
    is_count = rule.measure == "row_count"
    name = rule.measure if is_count else f"{rule.measure}_pct"
    for (domain, schema, table), rows in AlarmFacts(store).scores(since).items():
        *before, newest = [float(row[name]) if row[name] is not None else None for row in rows]
        known = [value for value in before if value is not None]
        usual = median(known) if len(known) >= rule.history else None
        if newest is None or not usual or not any(fnmatchcase(f"{schema}.{table}", each) for each in rule.tables):
            continue
        fall = (usual - newest) / usual * 100 if is_count else usual - newest
        if fall >= rule.fall_pct:
            unit = " rows" if is_count else " %"
            yield _alarm(
                rule,
                domain=domain,
                subject=f"{schema}.{table}",
                evidence=f"run {rows[-1]['run_id']}, {rows[-1]['stage']}",
                what=f"{rule.measure} of {schema}.{table} fell from usually {usual:g}{unit} to {newest:g}{unit}",
            )


def _events(rule: AuditRule, store: Engine, since: datetime, now: datetime) -> Iterator[Alarm]:
    """The newest event names the evidence's day: who goes on for hours alarms once, and again the next day."""
    start = max(since, now - timedelta(minutes=rule.within_minutes))
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in AlarmFacts(store).audited(rule.actions, start):
        grouped[row[rule.by]].append(row)
    for who, rows in grouped.items():
        if len(rows) >= rule.times:
            newest = rows[0]
            domain = str(newest["details"].get("domain") or PLATFORM)
            what = f"{newest['action']} {len(rows)} time(s) within {rule.within_minutes:g} min, {rule.by} {who}"
            yield _alarm(rule, domain=domain, subject=who, evidence=f"{newest['occurred_at']:%Y-%m-%d}", what=what)


def _surges(rule: SurgeRule, store: Engine, _since: datetime, now: datetime) -> Iterator[Alarm]:
    today, by_key = now.date(), defaultdict[str, dict[Any, int]](dict)
    for row in AlarmFacts(store).rows_read(today - timedelta(days=90)):
        by_key[row["key_id"]][row["usage_date"]] = int(row["row_count"])
    for key_id, days in by_key.items():
        read, before = days.pop(today, 0), list(days.values())
        if len(before) < rule.history or read < rule.least_rows:
            continue
        most = max(before[-rule.history :])
        if read > rule.factor * most:
            yield _alarm(
                rule,
                domain=PLATFORM,
                subject=f"API key {key_id}",
                evidence=str(today),
                what=f"key {key_id} was given {read:,} rows today, at most {most:,} on a day before",
            )


def _strikes(rule: StrikesRule, store: Engine, since: datetime, now: datetime) -> Iterator[Alarm]:
    start = max(since, now - timedelta(minutes=rule.within_minutes))
    grouped: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = defaultdict(dict)
    for row in AlarmFacts(store).strikes(start):
        is_meant = not rule.fault_classes or row["fault_class"] in rule.fault_classes
        is_there = not rule.dags or any(fnmatchcase(row["dag_id"], each) for each in rule.dags)
        if is_meant and is_there and (not rule.outcomes or row["outcome"] in rule.outcomes):
            grouped[row["domain"]].setdefault((row["dag_id"], row["task_id"]), row)
    for domain, tasks in grouped.items():
        if len(tasks) >= rule.tasks:
            names = ", ".join(f"{dag_id} / {task_id}" for dag_id, task_id in sorted(tasks)[:5])
            newest = max(row["struck_at"] for row in tasks.values())
            yield _alarm(
                rule,
                domain=domain,
                subject=domain,
                evidence=f"{newest:%Y-%m-%d %H}h",
                what=f"{len(tasks)} task(s) were struck within {rule.within_minutes:g} min: {names}",
            )


_Detector = Callable[[Any, Engine, datetime, datetime], Iterator[Alarm]]
_DETECTORS: Mapping[type, _Detector] = {
    ChainRule: _chain,
    VerdictRule: _verdicts,
    CheckRule: _checks,
    DropRule: _drops,
    AuditRule: _events,
    SurgeRule: _surges,
    StrikesRule: _strikes,
}
