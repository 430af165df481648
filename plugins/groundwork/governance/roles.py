"""The contracts' database roles: made without login, and what is wrong with the ones that are there.

The login role of the warehouse is no superuser; it makes the roles with CREATEROLE and may switch to them
(`SET ROLE`) without inheriting from them. Memberships of people are reported, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.governance.statements import compose, name, run
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RoleFault:
    """Something about a role that policy does not give: an attribute, or a membership."""

    role: str
    found: str
    next_step: str


def ensure_role(connection: Connection, role: str) -> bool:
    """Make the role when there is none and let the current login switch to it; true when something was changed.

    Raises: ConfigError when the current login may do neither.
    """
    exists = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    if exists is not None and _can_switch(connection, role):
        return False
    try:
        with connection.begin_nested():
            if exists is None:
                run(connection, compose("CREATE ROLE {role} NOLOGIN", role=name(role)))
            if not _can_switch(connection, role):
                run(connection, compose("GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE", role=name(role)))
    except DBAPIError as error:
        raise ConfigError(
            f"the login cannot {'switch to' if exists else 'make'} the role `{role}`",
            expected="a login with CREATEROLE that administers the contracts' roles",
            found=str(error.orig).strip().splitlines()[0],
            next_step="as superuser: GRANT the role to the login WITH ADMIN TRUE, or ALTER ROLE the login CREATEROLE",
        ) from error
    return True


def _can_switch(connection: Connection, role: str) -> bool:
    return bool(connection.execute(text("SELECT pg_has_role(current_user, :role, 'SET')"), {"role": role}).scalar_one())


def role_faults(
    connection: Connection, roles: Sequence[str], members: Mapping[str, tuple[str, ...]]
) -> list[RoleFault]:
    """Attributes and memberships of the roles that policy does not give; `members` are the allowed ones."""
    faults = [
        RoleFault(role=row.role, found=row.attribute, next_step=f'ALTER ROLE "{row.role}" NO{row.attribute}')
        for row in connection.execute(_ATTRIBUTES, {"roles": list(roles)})
    ]
    for row in connection.execute(_MEMBERSHIPS, {"roles": list(roles)}):
        if row.member not in members.get(row.role, ()):
            faults.append(
                RoleFault(
                    role=row.member if row.member in roles else row.role,
                    found=f"{row.member} is a member of {row.role}",
                    next_step=f'REVOKE "{row.role}" FROM "{row.member}", or name it under `members` in the policy',
                )
            )
    return faults


_ATTRIBUTES = text("""
    SELECT r.rolname AS role, a.attribute
    FROM pg_roles r, LATERAL (VALUES ('LOGIN', r.rolcanlogin), ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls),
         ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication))
         a (attribute, has)
    WHERE r.rolname = ANY(:roles) AND a.has
    ORDER BY 1, 2
""")
# The login that looks may be a member: it made the roles and switches to them.
_MEMBERSHIPS = text("""
    SELECT DISTINCT granted.rolname AS role, member.rolname AS member
    FROM pg_auth_members m JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
    WHERE (granted.rolname = ANY(:roles) OR member.rolname = ANY(:roles)) AND member.rolname <> current_user
      AND (m.inherit_option OR m.set_option OR m.admin_option)
    ORDER BY 1, 2
""")
