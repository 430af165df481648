"""The gate for Dags: what the rules refuse of a folder of Dags in CI, and of one file where Airflow parses it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import SUFFIX, read_domain
from groundwork.rules.check import check_paths
from groundwork.rules.finding import Finding, Report
from groundwork.settings import Settings


def gate_dags(folder: Path, *, settings: Settings | None = None) -> Report:
    """What the rules say of all Dags in `folder`, against the contracts and the policy of the project.

    Raises: ConfigError when the folder, a contract or the policy cannot be read.
    """
    chosen = settings or Settings.from_environment()
    return check_paths([folder], project=chosen.project, domains=all_domains(chosen))


def refusals(path: Path, *, settings: Settings | None = None, domains: Iterable[Domain] = ()) -> list[Finding]:
    """What is refused of one Dag file, empty when it may run; raises ConfigError as `gate_dags` does.

    Reading the contracts costs more than checking a file, so whoever asks often hands `domains` in; without them the
    names of tables and columns are not judged.
    """
    chosen = settings or Settings.from_environment()
    return list(check_paths([path], project=chosen.project, domains=domains).findings)


def all_domains(settings: Settings) -> list[Domain]:
    """Every domain of the project; raises ConfigError when a contract cannot be read."""
    names = sorted({path.parent.name for path in settings.contracts.glob(f"*/*{SUFFIX}")})
    return [read_domain(name, settings.contracts) for name in names]
