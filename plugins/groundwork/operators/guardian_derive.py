"""The task that writes what contracts yield for another tool: the command `derive` behind a Dag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from groundwork.model.errors import ConfigError
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.state_file import state_file, write_state

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.access.derived import Target

_SUFFIXES = {"ddl": ".sql", "sqlalchemy": ".py", "json-schema": ".json", "dbt": ".yml", "gx": ".json", "api": ".json"}
_MOST = 200  # losses that the result holds; the log counts all


class DeriveOperator(GroundworkOperator):
    """Write what a domain's contracts yield for another tool into a file below the project's state folder.

    What the tool cannot be told is in the log and in the result. As `groundwork derive TARGET NAME --output FILE`.

    :param target: `ddl`, `sqlalchemy`, `json-schema`, `dbt`, `gx` or `api` (templated)
    :param table: name of one table; empty for the whole domain (templated)
    :param file: where to write, from the state folder; empty for a name below `derived/` (templated)
    :param may_lose: whether values that the tool cannot be told are accepted; else the task fails and writes nothing
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "target", "table", "file")
    operation_kind: ClassVar[str] = "schema"

    def __init__(self, *, target: str, table: str = "", file: str = "", may_lose: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.table = table
        self.file = file
        self.may_lose = may_lose

    def run(self, context: Context) -> dict[str, Any]:
        """Return `file`, `target`, the number of `losses` and the first of them."""
        from groundwork.access.derived import derive

        domain, target = self.contracts, self._target()
        made = derive(target, domain, domain.table(self.table) if self.table else None)
        for (what, why), count in sorted(Counter((loss.what, loss.why) for loss in made.losses).items()):
            self.log.warning("%s values are not in it: %s: %s", f"{count:,}", what, why)
        if made.losses and not self.may_lose:
            raise ConfigError(
                f"{target} cannot be told everything that {self.table or self.domain} declares",
                expected="nothing lost",
                found=f"{len(made.losses):,} values that are not in it",
                next_step="look at the log, or accept it by `may_lose`",
            )
        name = f"derived/{made.table or domain.name}.{target}{_SUFFIXES[target]}"
        path = state_file(self.settings.home, self.file or name)
        write_state(path, made.text)
        self.log.info("wrote %s", path)
        losses = [loss.to_json() for loss in made.losses[:_MOST]]
        return {"file": str(path), "target": str(target), "losses": len(made.losses), "lost": losses}

    def _target(self) -> Target:
        from groundwork.access.derived import Target

        try:
            return Target(self.target.lower())
        except ValueError as error:
            raise ConfigError(
                "this cannot be derived", where="target", expected=f"one of {', '.join(Target)}", found=self.target
            ) from error
