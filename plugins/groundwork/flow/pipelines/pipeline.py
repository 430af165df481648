"""What a contract says of the pipeline that loads one of its tables: when, after what, how wide, by when.

Read from the table's `source`: `schedule` (a cron expression, `@hourly` … `@yearly`, or `asset`: whenever the tables it
reads or refers to were loaded), `partition: true` (each run loads the partition it is named after), `pool` (a name, or
`{name, slots}`; one per connection otherwise), `parallel` (tasks that load side by side, or `{parts, publish}`: their
rows are published `together`, or `each` part on its own). Without `schedule` a pipeline runs when somebody starts it.
Values only, so that they can be kept; nothing here knows Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from groundwork.contracts.contract import Contract, TableContract
from groundwork.contracts.source_keys import OTHER_KINDS
from groundwork.flow.pipelines.words import documentation
from groundwork.model.errors import ConfigError

ON_ASSET = "asset"
DEFAULT_POOL = "default_pool"
_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_629_746, "y": 31_556_952}
_WORDS = {"second": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w", "month": "mo", "year": "y"}
_NOT_IN_A_NAME = re.compile(r"[^\w.-]")  # what Airflow does not take in a Dag's id
_POOL_SLOTS = 4  # of a pool that nobody sized: as many tasks as the local deployment runs at once
_MOST_PARTS = 64
_PUBLISH = ("together", "each")
_GROWING = ("append", "merge")  # modes in which a part takes away nothing that another part brought
_LONGEST_ID = 240


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The pipeline of one table, JSON-ready. `file` is below the folder of contracts; `schedule` a cron expression,
    `asset` or null; `needs` the tables it reads or refers to, as declared; `freshness_seconds` null without a promise.
    `watermark_type` is the type of the column that a range is about, null when there is none. With `publishes_each` a
    part of the load is seen as soon as it is done.
    """

    dag_id: str
    domain: str
    schema: str
    table: str
    file: str
    owner: str
    tags: tuple[str, ...]
    documentation: str
    summary: str
    schedule: str | None
    is_partitioned: bool
    needs: tuple[str, ...]
    freshness_seconds: float | None
    pool: str
    pool_slots: int
    parallel: int
    publishes_each: bool
    watermark_type: str | None

    @property
    def qualified_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.table}"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pipeline:
        """What `to_json` gave."""
        lists = {name: tuple(data[name]) for name in ("tags", "needs")}
        return cls(**{**data, **lists})


def pipelines_of(domain: str, contract: Contract, file: str) -> Iterator[Pipeline]:
    """The pipelines of a contract's tables that have a source, in order of declaration; streams have their own.

    Raises: ConfigError when a source says something of its pipeline that cannot be.
    """
    for table in contract.tables:
        is_stream = isinstance(table.source, Mapping) and table.source.get("kind") in OTHER_KINDS
        if table.source is not None and not is_stream:
            yield pipeline_of(domain, contract, table, file)


def pipeline_of(domain: str, contract: Contract, table: TableContract, file: str) -> Pipeline:
    """The pipeline of one table; raises as `pipelines_of`."""
    source = _mapping(table)
    schedule = _schedule(table, source)
    watermark = source.get("watermark")
    is_partitioned = _switch(table, source, "partition")
    if is_partitioned and (not watermark or schedule in (None, ON_ASSET)):
        raise _wrong(table, "partition", "a cron `schedule` and a `watermark` by which a partition is cut", source)
    pool, slots = _pool(table, source)
    parallel, publishes_each = _parallel(table, source)
    return Pipeline(
        dag_id=dag_id(domain, table),
        domain=domain,
        schema=table.schema,
        table=table.name,
        file=file,
        owner=contract.owner,
        tags=tuple(dict.fromkeys(["groundwork", "load", domain, *table.tags])),
        documentation=documentation(contract, table, schedule),
        summary=(table.description or f"Loads {table.qualified_name}").strip(),
        schedule=schedule,
        is_partitioned=is_partitioned,
        needs=_needs(table, source),
        freshness_seconds=freshness_seconds(table),
        pool=pool,
        pool_slots=slots,
        parallel=parallel,
        publishes_each=publishes_each,
        watermark_type=table.column(str(watermark["column"])).type.lower() if watermark else None,
    )


def dag_id(domain: str, table: TableContract) -> str:
    """`load_<domain>__<table>`, the schema before the table where it is not called as the domain.

    It follows from this one table alone, so that no other contract can rename a Dag and part it from its history.
    """
    name = table.name if table.schema == domain else f"{table.schema}.{table.name}"
    return f"load_{_NOT_IN_A_NAME.sub('-', f'{domain}__{name}')}"[:_LONGEST_ID]


def _mapping(table: TableContract) -> Mapping[str, Any]:
    if not isinstance(table.source, Mapping):
        raise _wrong(table, "", "a mapping", {"": table.source})
    return table.source


def _schedule(table: TableContract, source: Mapping[str, Any]) -> str | None:
    declared = source.get("schedule")
    if declared in (None, "", ON_ASSET):
        return declared or None
    found = _PRESETS.get(str(declared), str(declared))
    from croniter import croniter  # type: ignore[import-untyped]  # it has no stubs

    if not isinstance(declared, str) or found.startswith("@") or not croniter.is_valid(found):
        raise _wrong(table, "schedule", f"a cron expression, {', '.join(_PRESETS)} or {ON_ASSET}", source)
    return found


def _needs(table: TableContract, source: Mapping[str, Any]) -> tuple[str, ...]:
    named = [*(source.get("inputs") or ()), *(each.target_table for each in table.relationships)]
    return tuple(name for name in dict.fromkeys(named) if name not in (table.name, table.qualified_name))


def _pool(table: TableContract, source: Mapping[str, Any]) -> tuple[str, int]:
    declared = source.get("pool")
    connection = source.get("connection")
    if declared is None:
        return (f"source_{connection}", _POOL_SLOTS) if connection else (DEFAULT_POOL, 0)
    if isinstance(declared, str) and declared:
        return declared, _POOL_SLOTS
    if isinstance(declared, Mapping) and declared.get("name"):
        slots = declared.get("slots", _POOL_SLOTS)
        if isinstance(slots, int) and slots > 0:
            return str(declared["name"]), slots
    raise _wrong(table, "pool", "a name, or `{name: …, slots: 1 or more}`", source)


def _parallel(table: TableContract, source: Mapping[str, Any]) -> tuple[int, bool]:
    """How many parts, and whether each is published on its own."""
    declared = source.get("parallel", 1)
    told = declared if isinstance(declared, Mapping) else {"parts": declared}
    parts, publish = told.get("parts"), told.get("publish", _PUBLISH[0])
    is_told = publish in _PUBLISH and told.keys() <= {"parts", "publish"}
    if not is_told or not isinstance(parts, int) or isinstance(parts, bool) or not 1 <= parts <= _MOST_PARTS:
        expected = f"a number from 1 to {_MOST_PARTS}, or `{{parts: …, publish: {' or '.join(_PUBLISH)}}}`"
        raise _wrong(table, "parallel", expected, source)
    if publish == "each" and (source.get("kind") != "file" or str(source.get("mode", "merge")) not in _GROWING):
        # Rows of a table or an API are asked for behind the watermark, which the first part that is done would move.
        raise _wrong(table, "parallel", f"`publish: together`, or files and the mode {' or '.join(_GROWING)}", source)
    return parts, publish == "each"


def _switch(table: TableContract, source: Mapping[str, Any], name: str) -> bool:
    found = source.get(name, False)
    if not isinstance(found, bool):
        raise _wrong(table, name, "true or false", source)
    return found


def freshness_seconds(table: TableContract) -> float | None:
    """The promised freshness; null when nothing is promised, or in a unit that nobody knows."""
    if table.freshness is None:
        return None
    value, unit = table.freshness
    word = unit.strip().lower()
    known = _WORDS.get(word.removesuffix("s"), word)
    return value * _SECONDS[known] if known in _SECONDS and value > 0 else None


def _wrong(table: TableContract, name: str, expected: str, source: Mapping[str, Any]) -> ConfigError:
    return ConfigError(
        "the pipeline of this table cannot be made",
        where=f"{table.qualified_name}, source.{name}".rstrip("."),
        expected=expected,
        found=repr(source.get(name)),
        next_step="correct `source` in the contract",
    )
