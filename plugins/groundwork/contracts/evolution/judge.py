"""Which rule judges which difference."""

from __future__ import annotations

from collections.abc import Callable

from groundwork.contracts.evolution.difference import Difference
from groundwork.contracts.evolution.judge_column import judge_column
from groundwork.contracts.evolution.judge_contract import (
    judge_contract,
    judge_enum_type,
    judge_person,
    judge_role,
    judge_server,
    judge_service_level,
)
from groundwork.contracts.evolution.judge_parts import (
    judge_access_pattern,
    judge_check,
    judge_index,
    judge_quality,
    judge_relationship,
    judge_unique_key,
)
from groundwork.contracts.evolution.judge_table import judge_partition, judge_table
from groundwork.contracts.evolution.judgement import Verdicts, World, unknown

_JUDGES: dict[str, Callable[[Difference, World], Verdicts]] = {
    "contract": judge_contract,
    "role": judge_role,
    "service level": judge_service_level,
    "server": judge_server,
    "enum type": judge_enum_type,
    "team member": judge_person,
    "support channel": judge_person,
    "table": judge_table,
    "partition": judge_partition,
    "column": judge_column,
    "unique key": judge_unique_key,
    "index": judge_index,
    "check": judge_check,
    "relationship": judge_relationship,
    "access pattern": judge_access_pattern,
    "quality rule": judge_quality,
}


def judge(difference: Difference, world: World) -> Verdicts:
    """The verdicts on a difference: one for each thing it means, none when it means nothing of its own."""
    found = _JUDGES.get(difference.kind)
    if found is None:
        yield unknown(difference)
    else:
        yield from found(difference, world)
