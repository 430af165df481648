"""The task that proposes a contract from a database, files or SQL: the command `infer` behind a Dag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from groundwork.operators import connections
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import is_true, names_in
from groundwork.operators.state_file import state_file, write_state

if TYPE_CHECKING:
    from airflow.sdk import Context
    from sqlalchemy import Connection

    from groundwork.infer.profile import Guess, Proposal

_MOST = 200  # guesses that the result holds, the least sure first; the file marks all


class InferContractOperator(GroundworkOperator):
    """Propose a contract for tables of a database, files of data or SQL; each guess is marked as one.

    The proposal goes to `proposals/<domain>/` below the project's state folder. With `into_contracts` it becomes new
    files of the domain; nothing that is there is ever overwritten. As `groundwork infer SOURCE...`.

    :param sources: a schema or `schema.table`, `connection:schema`, files from the project's folder, or SQL; a list or
        text with commas (templated)
    :param table: the table's name for one file of data (templated)
    :param dialect: of SQL; empty for PostgreSQL's (templated)
    :param limit_rows: rows of files that are read per table; null for all
    :param is_profiled: whether rows of a database are looked at
    :param into_contracts: write into the domain's contracts (templated)
    """

    template_fields: Sequence[str] = (
        *GroundworkOperator.template_fields, "sources", "table", "dialect", "into_contracts",
    )  # fmt: skip
    operation_kind: ClassVar[str] = "schema"

    def __init__(
        self,
        *,
        sources: str | Sequence[str],
        table: str = "",
        dialect: str = "",
        limit_rows: int | None = None,
        is_profiled: bool = True,
        into_contracts: object = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sources = sources
        self.table = table
        self.dialect = dialect
        self.limit_rows = limit_rows
        self.is_profiled = is_profiled
        self.into_contracts = into_contracts

    def run(self, context: Context) -> dict[str, Any]:
        """Return `files`, the number of tables and guesses, the least sure guesses, and what was left out."""
        found = self._proposal()
        guesses = sorted(found.guesses, key=lambda each: (each.confidence, each.pointer))
        for guess in guesses:
            self.log.info("%.2f  %s: %s (%s)", guess.confidence, guess.pointer, guess.what, guess.evidence)
        for line in found.left_out:
            self.log.warning("left out, because a contract cannot say it: %s", line)
        files = self._into_contracts(found) if is_true(self.into_contracts) else [self._kept(found, context)]
        self.log.info("wrote %s", ", ".join(files))
        return {
            "files": files,
            "tables": len(found.document["schema"]),
            "guesses": len(guesses),
            "least_sure": [_told(guess) for guess in guesses[:_MOST]],
            "left_out": list(found.left_out),
        }

    def _proposal(self) -> Proposal:
        from groundwork.infer.from_sources import InferOptions, infer
        from groundwork.infer.sources import parse_sources

        options = InferOptions(
            table=self.table or None,
            limit_rows=self.limit_rows,
            dialect=self.dialect.lower() or None,
            profile=self.is_profiled,
        )
        sources = [self._from_project(name) for name in names_in(self.sources)]
        project = self.settings.project
        return infer(
            parse_sources(sources), domain=self.domain, project=project, connect=self._connected, options=options
        )

    def _from_project(self, name: str) -> str:
        """A file's path from the project's folder where it is one; a task runs in a folder of Airflow's choice."""
        path = self.settings.project / name
        is_pattern = any(letter in name for letter in "*?[")
        return str(path) if is_pattern or path.is_file() else name

    @contextmanager
    def _connected(self, connection_id: str | None) -> Iterator[Connection]:
        # groundwork: allow own_session describes tables from the catalog, which no repository serves
        with connections.engine(connection_id or self.connection_id).connect() as connection:
            yield connection

    def _into_contracts(self, found: Proposal) -> list[str]:
        from groundwork.infer.into import plan_into, write_into

        plan = plan_into(found, self.settings.contracts)
        for finding in plan.findings:
            self.log.warning("%s", finding)
        return [str(path) for path in write_into(plan)]

    def _kept(self, found: Proposal, context: Context) -> str:
        from groundwork.infer.document import to_yaml

        run = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{context['ti'].run_id}.{self.task_id}")
        path = state_file(self.settings.home, str(Path("proposals") / self.domain / f"{run}.odcs.yaml"))
        write_state(path, to_yaml(found))
        return str(path)


def _told(guess: Guess) -> dict[str, Any]:
    return {
        "pointer": guess.pointer,
        "what": guess.what,
        "evidence": guess.evidence,
        "confidence": guess.confidence,
    }
