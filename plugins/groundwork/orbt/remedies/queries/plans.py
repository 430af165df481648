"""The planner's plan of the failed statement: what it costs, which parts cost most, told without any value."""

# groundwork: allow-file raw_sql the failed statement is planned as it was sent

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection

from groundwork.orbt.remedies.queries.statement import Statement, failed, looking, told
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

Node = Mapping[str, Any]
_CONDITIONS = ("Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter")
_TOLD_NODES = 3
_LOOK_SECONDS = 15.0  # for one EXPLAIN; planning takes milliseconds, waiting for a lock three seconds


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One plan; costs are the planner's units, good for comparing."""

    root: Node

    @property
    def cost(self) -> float:
        """The total cost."""
        return float(self.root["Total Cost"])

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, each before those below it."""
        return tuple(_nodes(self.root))

    @property
    def indexes(self) -> frozenset[str]:
        """The names of the indexes it uses."""
        return frozenset(str(node["Index Name"]) for node in self.nodes if "Index Name" in node)

    def worst(self, count: int = _TOLD_NODES) -> tuple[str, ...]:
        """The costliest nodes, one line each, without values."""
        total = max(self.cost, 1e-9)
        ordered = sorted(self.nodes, key=_own_cost, reverse=True)
        return tuple(_line(node, _own_cost(node) / total) for node in ordered[:count] if _own_cost(node) > 0)


def explain(connection: Connection, statement: Statement) -> Plan:
    """The plan of a statement, which is not run; with a `looking` connection nothing can be changed.

    Raises: SQLAlchemyError when the server does not plan it.
    """
    found = statement.execute(connection, "EXPLAIN (FORMAT JSON, VERBOSE) ").scalar_one()
    plans = json.loads(found) if isinstance(found, str) else found
    return Plan(root=plans[0]["Plan"])


class ExplainStatement(Remedy):
    """Look at the failed statement's plan; heals nothing, but says where to look."""

    name = "explain_statement"
    summary = "shows the plan of the statement that failed, with its costliest parts"
    limits = Limits(seconds=30, blast_radius="nothing: the statement is planned, not run")
    way_back = "nothing was changed"
    needs_store: ClassVar[bool] = False

    def precondition(self, scene: Scene) -> str | None:
        """The failure has to tell its statement."""
        try:
            failed(scene)
        except RemedyRefusedError as refusal:
            return str(refusal)
        return None

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """What it is going to look at."""
        return (f"EXPLAIN {told(failed(scene).numbered)}",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Look."""
        statement = failed(scene)
        with looking(scene.target, _LOOK_SECONDS) as connection:
            plan = explain(connection, statement)
        journal.note(f"plan of `{told(statement.numbered)}`, cost {plan.cost:,.0f}")
        for line in plan.worst():
            journal.note(line)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _own_cost(node: Node) -> float:
    below = sum(float(child["Total Cost"]) for child in node.get("Plans", ()))
    return max(float(node["Total Cost"]) - below, 0.0)


def _line(node: Node, share: float) -> str:
    relation = ".".join(str(node[key]) for key in ("Schema", "Relation Name") if key in node)
    index = f" by {node['Index Name']}" if "Index Name" in node else ""
    conditions = [f"{key.lower()} {told(str(node[key]))}" for key in _CONDITIONS if key in node]
    where = f" on {relation}" if relation else ""
    detail = f", {', '.join(conditions)}" if conditions else ""
    return f"{node['Node Type']}{where}{index}: {share:.0%} of the cost, {int(node['Plan Rows']):,} rows{detail}"
