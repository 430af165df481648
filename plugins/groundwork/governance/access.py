"""Brings the database to what contracts and policies say about access: roles, masked views, grants.

One transaction, idempotent: a second run finds nothing to change and takes no lock on a live view. What the contracts'
roles and PUBLIC have beyond policy is revoked; grants to roles that no contract knows are reported by the
verification, or revoked too when the policy says so. Memberships of people are theirs to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from groundwork.contracts.contract import Domain, RoleContract
from groundwork.governance.grants import PUBLIC, Grant, grant, observed_grants, revoke, serial_sequences, wanted_grants
from groundwork.governance.masking import ensure_key
from groundwork.governance.policy import Policies, read_policies
from groundwork.governance.roles import ensure_role
from groundwork.governance.statements import compose, name, run
from groundwork.governance.views import (
    ViewPlan,
    access_schema,
    drop_view,
    plan_views,
    replace_view,
    view_states,
    wanted_states,
)
from groundwork.model.errors import RetriableError

_LOCK = 5_201_820  # advisory lock that orders runs; any fixed number of ours
_LOCK_TIMEOUT = "5s"  # a view that somebody reads for longer is left for the next try


@dataclass(frozen=True, kw_only=True)
class AccessChange:
    """One thing that was changed: `action` is a verb in the past (`role_made`, `view_replaced`, `grant_revoked`, …)."""

    action: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class AccessReport:
    """What `apply_access` found and changed; `is_dry_run` tells that everything was rolled back."""

    domain: str
    roles: tuple[str, ...]
    views: tuple[str, ...]
    masked_columns: int
    changes: tuple[AccessChange, ...]
    is_dry_run: bool = False

    def to_json(self) -> dict[str, object]:
        """JSON-ready form."""
        return {
            "domain": self.domain,
            "roles": list(self.roles),
            "views": list(self.views),
            "masked_columns": self.masked_columns,
            "is_dry_run": self.is_dry_run,
            "changes": [{"action": change.action, "subject": change.subject} for change in self.changes],
        }


def apply_access(
    engine: Engine, domain: Domain, policies_folder: Path | Policies, *, is_dry_run: bool = False
) -> AccessReport:
    """Make roles, views and grants of the domain what contracts and policies say.

    Raises: ConfigError when a declared table is not in the database, the login may not make roles, or a policy is
    wrong; RetriableError when a lock was not granted in time.
    """
    policies = policies_folder if isinstance(policies_folder, Policies) else read_policies(policies_folder)
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": _LOCK_TIMEOUT})
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            report = _apply(connection, domain, policies, is_dry_run=is_dry_run)
            if is_dry_run:
                transaction.rollback()
            return report
    except OperationalError as error:
        raise RetriableError(
            "access could not be applied now",
            where=f"domain {domain.name}",
            found=str(error.orig).strip().splitlines()[0],
            next_step="run it again; nothing was changed",
        ) from error


def _apply(connection: Connection, domain: Domain, policies: Policies, *, is_dry_run: bool) -> AccessReport:
    roles = [policies.role(role) for role in domain.roles]
    plans = plan_views(connection, domain, policies)
    changes = [
        AccessChange(action="role_made", subject=role.name) for role in roles if ensure_role(connection, role.name)
    ]
    if ensure_key(connection, domain.name):
        changes.append(AccessChange(action="masking_key_made", subject=domain.name))
    changes += _apply_views(connection, domain, plans)
    changes += _apply_grants(connection, domain, plans, roles, policies)
    return AccessReport(
        domain=domain.name,
        roles=tuple(role.name for role in roles),
        views=tuple(f"{plan.schema}.{plan.table.name}" for plan in plans),
        masked_columns=sum(column.mask is not None for plan in plans for column in plan.columns),
        changes=tuple(changes),
        is_dry_run=is_dry_run,
    )


def _apply_views(connection: Connection, domain: Domain, plans: Sequence[ViewPlan]) -> Iterable[AccessChange]:
    changes = []
    for schema in access_schemas(domain):
        if connection.execute(text("SELECT to_regnamespace(quote_ident(:name))"), {"name": schema}).scalar() is None:
            run(connection, compose("CREATE SCHEMA {schema}", schema=name(schema)))
            changes.append(AccessChange(action="schema_made", subject=schema))
    live = {schema: view_states(connection, schema) for schema in access_schemas(domain)}
    wanted = wanted_states(connection, plans)
    for plan in plans:
        before = live[plan.schema].pop(plan.table.name, None)
        if before != wanted[plan.table.qualified_name]:
            replace_view(connection, plan)
            action = "view_made" if before is None else "view_replaced"
            changes.append(AccessChange(action=action, subject=f"{plan.schema}.{plan.table.name}"))
    for schema, left_over in live.items():
        for view in left_over:
            drop_view(connection, schema, view)
            changes.append(AccessChange(action="view_dropped", subject=f"{schema}.{view}"))
    return changes


def _apply_grants(
    connection: Connection,
    domain: Domain,
    plans: Sequence[ViewPlan],
    roles: Sequence[RoleContract],
    policies: Policies,
) -> Iterable[AccessChange]:
    wanted = wanted_grants(plans, roles, serial_sequences(connection, domain))
    managed = {role.name for role in domain.roles} | {PUBLIC}
    unexpected = [
        given
        for given in sorted(observed_grants(connection, governed_schemas(domain)) - wanted)
        if given.grantee in managed or policies.access.revokes_unexpected
    ]
    for given in unexpected:
        revoke(connection, given)
    missing = sorted(wanted - observed_grants(connection, governed_schemas(domain)))
    for given in missing:
        grant(connection, given)
    return [AccessChange(action="grant_revoked", subject=str(given)) for given in unexpected] + [
        AccessChange(action="grant_given", subject=str(given)) for given in missing
    ]


def grant_drift(connection: Connection, domain: Domain, policies: Policies) -> Mapping[str, list[Grant]]:
    """Grants the database has beyond policy (`unexpected`) and policy has beyond the database (`missing`)."""
    roles = [policies.role(role) for role in domain.roles]
    plans = plan_views(connection, domain, policies)
    wanted = wanted_grants(plans, roles, serial_sequences(connection, domain))
    observed = observed_grants(connection, governed_schemas(domain))
    return {"unexpected": sorted(observed - wanted), "missing": sorted(wanted - observed)}


def access_schemas(domain: Domain) -> list[str]:
    """The schemas of the domain's masked views."""
    return [access_schema(schema) for schema in dict.fromkeys(table.schema for table in domain.tables)]


def governed_schemas(domain: Domain) -> list[str]:
    """The schemas whose grants policy decides: those of the tables and those of the views."""
    return [*dict.fromkeys(table.schema for table in domain.tables), *access_schemas(domain)]
