"""Rows into their table by the repository, all or nothing, while they are checked.

One transaction of the repository takes the good rows block by block, by COPY or as upserts. The first thing wrong
undoes it, and the check goes on to find the rest. What the database refuses although the check let it pass (a row that
somebody else wrote meanwhile, a constraint that only it can see) undoes it as well and is told in the same words. The
audit event is written before the commit: what cannot be audited is not written. A process that dies leaves nothing,
because nothing was committed.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from sqlalchemy import Connection, Engine

from groundwork.access.check import Checking, CheckOptions
from groundwork.access.check_report import SaveMode, SaveReport
from groundwork.access.check_source import Rows, open_source
from groundwork.access.repository import Repositories
from groundwork.access.save_transaction import Audit, Saving
from groundwork.contracts.contract import Domain, TableContract
from groundwork.store.audit import AuditTrail


def save_rows(
    engine: Engine,
    domain: Domain,
    table: TableContract,
    rows: Rows,
    *,
    actor: str,
    trail: AuditTrail | None = None,
    mode: SaveMode = SaveMode.INSERT,
    options: CheckOptions | None = None,
) -> SaveReport:
    """Check rows and save all of them, or none when anything is wrong with any.

    `actor` is who saves, for the audit `trail`. Raises: what `check_rows` raises, and what the database raises when
    it does not answer or the role may not write.
    """
    options = replace(options or CheckOptions(), updates=mode is SaveMode.UPSERT)
    with open_source(rows, options.file_format) as source, ExitStack() as stack:
        checking = Checking(domain=domain, table=table, source=source, options=options)
        saving = Saving(
            repositories=Repositories(engine, domain),
            table=table,
            columns=tuple(each for each in checking.rules.fields.values() if not each.is_server_made),
            numbers=checking.numbers,
            mode=mode,
            audit=Audit(trail=trail, actor=actor, domain=domain.name, subject=table.qualified_name, mode=mode),
        )
        stack.callback(saving.abandon)
        checking.sink = saving
        lookups: list[Connection] = []

        def connect() -> Connection:
            if not lookups:
                lookups.append(stack.enter_context(engine.connect()))
            return lookups[0]

        report = checking.run(connect)
    return saving.report(report)
