"""Whether all policies of a project can be read: those of ORBT, of governance, of code and of authority."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from groundwork.authority import policy as authority
from groundwork.contracts.document import read_document
from groundwork.governance.policy import read_policies
from groundwork.governance.policy_file import KINDS, PolicyFile
from groundwork.model.errors import ConfigError
from groundwork.orbt.policy_check import MODELS, POLICIES, CheckedPolicy, checked, healing_policies
from groundwork.rules import policy as code
from groundwork.rules.rules import RULES

_NAMED = frozenset(Path(name).stem for name in (*MODELS, authority.FILE, code.FILE))  # kinds with a file of that name


def check_policies(project: Path) -> tuple[CheckedPolicy, ...]:
    """Every pattern and every file of the folder of policies, in order of name; never raises.

    Of the values in policies of governance, which are read as a whole, the first mistake is told.
    """
    return tuple(sorted((*healing_policies(project), *_others(project)), key=lambda each: each.file))


def _others(project: Path) -> Iterator[CheckedPolicy]:
    folder = project / POLICIES
    readers: dict[str, Callable[[Path], object]] = {
        authority.FILE: authority.read_policy,
        code.FILE: partial(code.read_code_policy, rules=list(RULES)),
    }
    others = [path for path in folder.glob("*.yaml") if path.name not in MODELS]
    yield from (checked(path, project, readers.get(path.name, _governance)) for path in others)
    for path in (*folder.glob("*.yml"), *(folder.parent / "patterns").glob("*.yml")):
        yield checked(path, project, _unread)


def _governance(path: Path) -> None:
    """Read a policy of governance, which names itself; what is wrong in other files is told of those."""
    file = PolicyFile(document=read_document(path))
    if file.data.get("kind") in _NAMED:
        raise _nobody_reads(path, f"the name `{file.data['kind']}.yaml`")
    file.check(file.word("/kind", KINDS))
    try:
        read_policies(path.parent)
    except ConfigError as error:
        if error.where == str(path.parent) or f"{error.where}:".startswith(f"{path}:"):
            raise


def _unread(path: Path) -> None:
    raise _nobody_reads(path, f"the name `{path.stem}.yaml`")


def _nobody_reads(path: Path, expected: str) -> ConfigError:
    return ConfigError("nobody reads this file", where=str(path), expected=expected, found=path.name)
