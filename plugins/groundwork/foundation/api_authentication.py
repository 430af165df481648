"""Criterion `authentication_working`: who is let in, who is refused, and what each role sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select

from groundwork.access.api.openapi import is_writable
from groundwork.access.api.requests import PREFIX
from groundwork.access.errors import AccessRefusedError, translated
from groundwork.access.json_read import read_row
from groundwork.access.relation import relation
from groundwork.access.repository import Repositories
from groundwork.access.session import Session
from groundwork.contracts.contract import Domain
from groundwork.foundation.api_functional import as_json, row_path
from groundwork.foundation.api_probe import (
    ACTOR,
    Findings,
    KeyForRole,
    client,
    strongest_role,
    verdict,
    weakest_role,
)
from groundwork.foundation.probe_rows import placed, probe_rows
from groundwork.model.evidence import CriterionResult
from groundwork.store.api_key import ApiKeys


def authentication_working(
    base_url: str, domain: Domain, engine: Engine, key_for_role: KeyForRole, keys: ApiKeys, *, step: int = 201
) -> CriterionResult:
    """Whether nobody gets in without a valid key, no role does more than it may, and masked columns are masked.

    Masks are compared with the base tables on one probe row per table, which is removed at the end.
    """
    findings = Findings()
    _try_keys(base_url, domain, keys, findings)
    masked: Mapping[str, list[str]] = {}
    with placed(engine, domain) as rows:
        _try_writes_of_readers(base_url, domain, rows, key_for_role, findings)
        _try_base_tables(engine, domain, findings)
        masked = _try_masks(base_url, domain, engine, rows, key_for_role, findings)
    weak, strong = weakest_role(domain).name, strongest_role(domain).name
    columns = sum(map(len, masked.values()))
    return verdict(
        "authentication_working",
        domain,
        findings,
        expected=f"401 without a valid key, 403 for the wrong role, {columns} columns masked for {weak} only",
        how_measured="HTTP requests with no, wrong, ended and valid keys; rows compared with the base tables",
        details={"masked_columns": masked, "masked_for": weak, "clear_for": strong},
        step=step,
        likely_cause="roles, grants or masked views are not what contracts and policies say",
        next_step="run the Dag `governance`, then clear the failed task",
    )


def _try_keys(base_url: str, domain: Domain, keys: ApiKeys, f: Findings) -> None:
    role = strongest_role(domain).name
    ended = keys.issue(name="foundation check, ended", role=role, by=ACTOR, lifetime=timedelta(minutes=5))
    keys.revoke(ended.key.key_id, by=ACTOR)
    expired = keys.issue(name="foundation check, expired", role=role, by=ACTOR, lifetime=timedelta(seconds=-1))
    forged = f"{ended.token[:-4]}{'AAAA' if not ended.token.endswith('AAAA') else 'BBBB'}"
    tokens = {"no": None, "an unknown": "gwk_000000000000_" + "A" * 43, "a malformed": "x", "a forged": forged}
    tokens |= {"a revoked": ended.token, "an expired": expired.token}
    paths = ["/openapi.json", PREFIX, *(f"{PREFIX}/{domain.name}/{table.name}" for table in domain.tables)]
    for words, token in tokens.items():
        with client(base_url, token) as opened:
            for path in paths if token is None else paths[2:4]:
                f.expect(f"GET {path} with {words} key", 401, opened.get(path).status_code)
            f.expect(f"GET /health with {words} key", 200, opened.get("/health").status_code)
    keys.revoke(expired.key.key_id, by=ACTOR)


def _try_writes_of_readers(
    base_url: str, domain: Domain, rows: Mapping[str, Mapping[str, object]], key_for_role: KeyForRole, f: Findings
) -> None:
    others = probe_rows(domain, variant=2)
    for role in (each for each in domain.roles if each.access != "write"):
        with client(base_url, key_for_role(role.name)) as opened:
            for table in domain.tables:
                path = f"{PREFIX}/{domain.name}/{table.name}"
                f.expect(
                    f"POST {path} as {role.name}", 403, opened.post(path, json=as_json(others[table.name])).status_code
                )
                changed = opened.patch(row_path(domain, table, rows[table.name]), json={}, headers={"If-Match": "*"})
                f.expect(f"PATCH {path} as {role.name}", 403, changed.status_code)
    if is_writable(domain):
        with client(base_url, key_for_role(strongest_role(domain).name)) as opened:
            answer = opened.get(f"{PREFIX}/{domain.name}/pg_authid")
            f.expect("GET of a table that no contract declares", 404, answer.status_code)


def _try_base_tables(engine: Engine, domain: Domain, f: Findings) -> None:
    """The database itself must refuse a read role the unmasked tables, whatever the API asks for."""
    for role in (each for each in domain.roles if each.access != "write"):
        session = Session(engine=engine, role=role.name)
        for table in domain.tables:
            try:
                with session.begin(read_only=True) as connection:
                    connection.execute(select(relation(table).base.c[table.columns[0].name]).limit(1))
                refused = False
            except Exception as error:
                refused = isinstance(translated(error, table), AccessRefusedError)
            f.require(refused, f"{role.name} may read the base table {table.qualified_name}")


def _try_masks(
    base_url: str,
    domain: Domain,
    engine: Engine,
    rows: Mapping[str, Mapping[str, object]],
    key_for_role: KeyForRole,
    f: Findings,
) -> dict[str, list[str]]:
    """Compare what the weakest and the strongest role see with the base tables; masked columns by table."""
    weak, strong = weakest_role(domain), strongest_role(domain)
    owner, found = Repositories(engine, domain), {}
    with client(base_url, key_for_role(weak.name)) as masked, client(base_url, key_for_role(strong.name)) as clear:
        for table in domain.tables:
            path, repository = row_path(domain, table, rows[table.name]), owner[table.name]
            hidden = sorted(repository.relation.masked_for(weak.clearance) & set(repository.relation.readable))
            key = {name: rows[table.name][name] for name in table.primary_key}
            stored = read_row(repository, key)
            base: dict[str, Any] = json.loads(stored.body) if stored else {}
            seen, full = masked.get(path), clear.get(path)
            if not f.expect(f"GET {path} as {weak.name}", 200, seen.status_code):
                continue
            for name, value in base.items():
                is_same, words = seen.json()[name] == value, "is not masked" if name in hidden else "differs"
                f.require(is_same != (name in hidden), f"{table.name}.{name} {words} for {weak.name}")
            visible = set(base) - repository.relation.masked_for(strong.clearance)
            differing = [name for name in sorted(visible) if full.status_code != 200 or full.json()[name] != base[name]]
            f.require(not differing, f"{table.name}: {', '.join(differing)} not as stored for {strong.name}")
            if hidden:
                found[table.name] = hidden
    return found
