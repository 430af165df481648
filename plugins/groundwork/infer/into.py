"""A proposed contract into a domain: planned whole, checked against all that is there, then written at once or not.

Nothing that exists is ever changed. A name that is taken (a file, a contract, a table) refuses the plan with the
difference between what stands there and what is proposed; so does a mistake that the domain would have with the new
contract and does not have without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.lint import Finding
from groundwork.contracts.lint.run import findings_of, judged
from groundwork.contracts.lint.yaml_text import Source, parse_leniently, read_leniently
from groundwork.contracts.read import SUFFIX
from groundwork.infer.document import to_yaml
from groundwork.infer.into_clashes import require_new_names
from groundwork.infer.into_split import named, split_by_table
from groundwork.infer.profile import Proposal
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity
from groundwork.whole_file import write_whole

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 50  # so that the names of roles made from a domain's fit into PostgreSQL's 63
_MOST_FINDINGS = 20
_MODE = 0o666  # less the user's mask


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A contract file that is to be made."""

    path: Path
    text: str


@dataclass(frozen=True, kw_only=True)
class IntoPlan:
    """Files that can be written as they are, and what `validate-schema` finds more with them."""

    domain: str
    files: tuple[NewFile, ...]
    findings: tuple[Finding, ...] = ()


def plan_into(
    proposal: Proposal,
    contracts: Path,
    *,
    name: str | None = None,
    split: bool = False,
    is_marked: bool = True,
    may_have_errors: bool = False,
) -> IntoPlan:
    """The files for the proposal in its domain's folder below `contracts`; nothing is written.

    `name` is that of contract and file, by default the one proposed; with `split` each table has a contract of its own.
    With `may_have_errors` mistakes of the tables themselves (a reference without an index) do not refuse the plan.

    Raises: ConfigError for names that are none or are taken (with the difference) and for new mistakes in the domain.
    """
    domain = require_name(str(proposal.document.get("domain")), "domain")
    if not proposal.document.get("schema"):
        raise ConfigError("the proposal has no table", expected="at least one table", found="none")
    if name is not None and split:
        raise ConfigError("contracts of one table each are called like their tables", found=f"the name {name}, split")
    folder = contracts / domain
    chosen = named(proposal, require_name(name, "contract").lower()) if name is not None else proposal
    parts = split_by_table(chosen) if split else (chosen,)
    files = tuple(NewFile(path=folder / _file_name(part), text=to_yaml(part, is_marked=is_marked)) for part in parts)
    _require_place(folder)
    _require_all_different(files)
    there = _existing(folder)
    new = [parse_leniently(file.text, file.path) for file in files]
    require_new_names(contracts, domain, there, new)
    return IntoPlan(
        domain=domain, files=files, findings=_new_findings(domain, there, new, may_have_errors=may_have_errors)
    )


def write_into(plan: IntoPlan) -> tuple[Path, ...]:
    """Write all files of the plan or none; makes the domain's folder when it is not there.

    Raises: ConfigError when a file has come into being meanwhile or cannot be written.
    """
    folder = plan.files[0].path.parent
    is_new = not folder.exists()
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in plan.files:
            write_new(file.path, file.text)
            written.append(file.path)
    except (OSError, ConfigError) as error:
        for path in written:
            path.unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            "the domain's folder cannot be made", where=str(folder), found=error.strerror, next_step="look who owns it"
        ) from error
    return tuple(written)


def write_new(path: Path, text: str) -> None:
    """Make the file `path` with all of `text`, or not at all; what is there stays.

    Raises: ConfigError when there is something at `path`, or it cannot be written.
    """
    mask = os.umask(0)
    os.umask(mask)
    try:
        write_whole(path, text, mode=_MODE & ~mask, is_new=True)
    except FileExistsError as error:
        raise ConfigError(
            "there is a file of this name, and nothing is ever overwritten",
            where=str(path),
            expected="a name that is free",
            next_step="choose another name, or move the file away",
        ) from error
    except OSError as error:
        raise ConfigError(
            "the file cannot be written", where=str(path), found=error.strerror, next_step="name another folder"
        ) from error


def require_name(name: str, kind: str) -> str:
    """`name`, when a domain or a contract (`kind`) can be called so; raises ConfigError otherwise."""
    plain = name.replace("-", "_") if kind == "contract" else name
    if not _NAME.fullmatch(plain) or len(name) > _LONGEST_NAME:
        raise ConfigError(
            f"this is no name for a {kind}",
            expected=f"small letters, digits and underscores after a letter, at most {_LONGEST_NAME}",
            found=name[: 2 * _LONGEST_NAME],
            next_step=f"write e.g. `{_suggested(name)}`",
        )
    return name


def _suggested(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST_NAME].rstrip("_")
    return words if words[:1].isalpha() else "shop"


def _file_name(proposal: Proposal) -> str:
    prefix = f"{proposal.document['domain']}-"
    name = str(proposal.document["id"]).removeprefix(prefix)
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") + SUFFIX


def _require_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(
            "the domain's folder is a file",
            where=str(folder),
            expected="a folder",
            found="a file",
            next_step="name another domain, or move the file away",
        )


def _require_all_different(files: Sequence[NewFile]) -> None:
    paths = [file.path for file in files]
    repeated = next((path for place, path in enumerate(paths) if path in paths[:place]), None)
    if repeated is not None:
        raise ConfigError(
            "two tables would have one contract file",
            where=str(repeated),
            expected="names of tables that differ in letters and digits",
            found=f"{paths.count(repeated)} tables for it",
            next_step="leave --split away, so that one file has all tables",
        )


def _existing(folder: Path) -> list[Source]:
    """The contracts of the domain; raises ConfigError when one cannot be read, so that its names are not known."""
    found = [read_leniently(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    broken = [source for source in found if source.document is None]
    if broken:
        raise ConfigError(
            "a contract of the domain cannot be read, so nobody knows what it declares",
            where=str(broken[0].path),
            found="; ".join(problem.message for problem in broken[0].problems),
            next_step=f"groundwork validate-schema {broken[0].path}",
        )
    return found


def _new_findings(
    domain: str, there: Sequence[Source], new: Sequence[Source], *, may_have_errors: bool
) -> tuple[Finding, ...]:
    """The findings that come with `new`; raises ConfigError for errors among them, unless there may be some."""
    before = {_identity(finding) for finding in findings_of(judged(there, domain=domain))} if there else set()
    found = [each for each in findings_of(judged([*there, *new], domain=domain)) if _identity(each) not in before]
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if errors and not may_have_errors:
        shown = [f"\n    {finding}" for finding in errors[:_MOST_FINDINGS]]
        more = f"\n    … and {len(errors) - _MOST_FINDINGS:,} more" if len(errors) > _MOST_FINDINGS else ""
        raise ConfigError(
            "the domain would have mistakes with the proposed contract, so nothing is written",
            where=str(new[0].path),
            expected="a domain without new errors of `groundwork validate-schema`",
            found=f"{len(errors):,} errors{''.join(shown)}{more}",
            next_step="--with-errors writes it all the same (groundwork validate-schema --fix repairs some), or "
            "--output FILE writes it elsewhere",
        )
    return tuple(found)


def _identity(finding: Finding) -> tuple[object, ...]:
    return finding.rule, finding.file, finding.line, finding.column, finding.message
