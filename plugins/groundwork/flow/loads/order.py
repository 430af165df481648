"""The order in which a domain's tables can be loaded.

A table comes after every table it refers to and after every input of its computed source. References to itself do not
count: rows of one load are checked together.
"""

from __future__ import annotations

from collections.abc import Iterable

from groundwork.contracts.contract import Domain, TableContract
from groundwork.model.errors import ConfigError


def load_levels(domain: Domain) -> tuple[tuple[TableContract, ...], ...]:
    """Tables with a source in levels: within a level the order does not matter, between levels it does.

    Raises: ConfigError when tables wait for one another in a circle, or an input is not declared.
    """
    waiting = {table.name: _needs(domain, table) for table in domain.tables}
    levels: list[tuple[TableContract, ...]] = []
    while waiting:
        free = [name for name, needs in waiting.items() if not needs & waiting.keys()]
        if not free:
            raise ConfigError(
                "tables wait for one another in a circle",
                where=f"domain {domain.name}",
                found=", ".join(f"{name} needs {', '.join(sorted(needs))}" for name, needs in sorted(waiting.items())),
                next_step="break the circle: make one of the references optional, or an input another table",
            )
        levels.append(tuple(domain.table(name) for name in free))
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    with_source = (tuple(table for table in level if table.source is not None) for level in levels)
    return tuple(level for level in with_source if level)


def load_chains(domain: Domain, kind: str) -> tuple[tuple[TableContract, ...], ...]:
    """The tables whose source is of `kind`, grouped so that the groups can be loaded side by side.

    Within a group the order matters: each table comes after what it needs. Needs of another kind do not join groups.
    Raises: as `load_levels`.
    """
    ordered = [table for level in load_levels(domain) for table in level if (table.source or {}).get("kind") == kind]
    groups: list[list[TableContract]] = []
    for table in ordered:
        needs = _needs(domain, table)
        joined = [group for group in groups if any(other.name in needs for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([*_flat(joined), table])
    place = {table.name: number for number, table in enumerate(ordered)}
    chains = (tuple(sorted(group, key=lambda table: place[table.name])) for group in groups)
    return tuple(sorted(chains, key=lambda chain: place[chain[0].name]))


def _needs(domain: Domain, table: TableContract) -> set[str]:
    named = [relationship.target_table for relationship in table.relationships]
    named += (table.source or {}).get("inputs", ())
    return {domain.table(name).name for name in named} - {table.name}


def _flat(groups: Iterable[list[TableContract]]) -> list[TableContract]:
    return [table for group in groups for table in group]
