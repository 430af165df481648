"""Roles that can be granted.

A role's `access` is `read` or `write`, its custom property `clearance` a known classification, and a role that several
contracts of a domain declare means the same in each: the first declaration would win silently.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.edits import Edit
from groundwork.contracts.lint.subject import DomainPart, Part, Problem
from groundwork.model.vocabulary import Classification, Severity

SEVERITY = Severity.ERROR
ACCESS = ("read", "write")


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every role that is not known, or not the same everywhere."""
    meaning: dict[str, tuple[str, str]] = {}
    for contract in domain.contracts:
        seen = set()
        for part in contract.parts("roles"):
            name, found = part.text("role"), (part.text("access") or "read", _clearance(part))
            wrong = list(_unknown(part, *found))
            yield from wrong
            if name in seen:
                yield part.problem("/role", f"the role `{name}` is declared twice", "remove one of the two")
            elif not wrong and meaning.setdefault(name, found) != found:
                access, clearance = meaning[name]
                yield part.problem(
                    "/role",
                    f"the role `{name}` means something else in another contract of the domain",
                    f"write `access: {access}` and the clearance `{clearance}`, or choose another name",
                )
            seen.add(name)


def _clearance(part: Part) -> str:
    return part.custom_text("clearance") or Classification.INTERNAL.value


def _access(part: Part, access: str) -> Edit | None:
    return part.setting("/access", access.lower()) if access.lower() in ACCESS else None


def _unknown(part: Part, access: str, clearance: str) -> Iterator[Problem]:
    if access not in ACCESS:
        yield part.problem(
            "/access", f"the access `{access}` is not known", "write `read` or `write`", edit=_access(part, access)
        )
    if clearance not in list(Classification):
        place = part.custom_pointer("clearance")
        yield part.problem(
            place, f"the clearance `{clearance}` is not known", f"write one of {', '.join(Classification)}"
        )
