"""All domains of an installation as far as their contracts can be read: one that is broken hides no other."""

from __future__ import annotations

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import SUFFIX, read_domain
from groundwork.model.errors import GroundworkError
from groundwork.settings import Settings


def declared_domains(settings: Settings) -> tuple[list[Domain], list[str]]:
    """The domains whose contracts can be read, by name, and why others cannot."""
    names = sorted({path.parent.name for path in settings.contracts.glob(f"*/*{SUFFIX}")})
    found, broken = [], []
    for name in names:
        try:
            found.append(read_domain(name, settings.contracts))
        except (GroundworkError, OSError) as error:
            broken.append(f"the contracts of {name} cannot be read: {str(error).splitlines()[0]}")
    return found, broken
