"""Runs dbt on the warehouse and tells what it did.

dbt is a child process of the same environment: it keeps global state, and its logging and exits are its own. Host, user
and password reach it by the environment of that process alone, the password under a name that dbt never logs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

from groundwork.model.errors import ConfigError, DataQualityError, RetriableError
from groundwork.transform.artifacts import MANIFEST, RUN_RESULTS, read_report
from groundwork.transform.report import TransformReport
from groundwork.transform.state import BuildState

PASSWORD_VARIABLE = "DBT_ENV_SECRET_GROUNDWORK_PASSWORD"  # noqa: S105  a name; dbt masks variables with this prefix
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")
_TIMEOUT_SECONDS = 3_600
_SHOWN_LINES = 25
_NO_CONNECTION = re.compile(r"connection to server|could not connect|server closed the connection|Connection refused")


class BuildFailedError(DataQualityError):
    """Models or tests failed; `report` tells what became of all of them (null in another process)."""

    report: TransformReport | None = None


@dataclass(frozen=True, kw_only=True)
class DbtTarget:
    """Where dbt works: the warehouse and the schema whose name begins the names of all it makes."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    schema: str

    @classmethod
    def of(cls, url: URL, schema: str) -> DbtTarget:
        """The target that a SQLAlchemy URL names."""
        return cls(
            host=url.host or "localhost",
            port=url.port or 5432,
            user=url.username or "",
            password=str(url.password or ""),
            database=url.database or "",
            schema=schema,
        )

    def environment(self) -> dict[str, str]:
        """The variables that `profiles.yml` reads."""
        return {
            "GROUNDWORK_DBT_HOST": self.host,
            "GROUNDWORK_DBT_PORT": str(self.port),
            "GROUNDWORK_DBT_USER": self.user,
            "GROUNDWORK_DBT_DATABASE": self.database,
            "GROUNDWORK_DBT_SCHEMA": self.schema,
            PASSWORD_VARIABLE: self.password,
        }


def build(  # noqa: PLR0913  what is built and where; all but three have a default
    project: Path,
    warehouse: URL,
    *,
    target_path: Path,
    schema: str = "market",
    select: str | None = None,
    changed_only: bool = False,
    full_refresh: bool = False,
    state: BuildState | None = None,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> TransformReport:
    """Build and test the models of a dbt project: all, those that dbt's `select` names, or only what changed.

    They land in `<schema>_staging`, `<schema>_intermediate`, `<schema>_marts` and `<schema>_snapshots` of the
    warehouse. `target_path` receives dbt's artifacts and logs and speeds up the next run. Running again is harmless.
    `changed_only` builds the models that differ from those of the last good run kept in `state`, what failed since and
    what the warehouse has lost, each with all that is made from it; everything when no run ended well yet. A good run
    of all, or of only what changed, is kept in `state` when one is given.
    Raises: BuildFailedError naming the models and tests that failed; ConfigError when the project does not parse, or
    the choice is none; RetriableError when the warehouse is not reachable or dbt does not end in time.
    """
    chosen = _selection(select=select, changed_only=changed_only, state=state)
    arguments = ["build", *chosen, *(["--full-refresh"] if full_refresh else [])]
    target_path.mkdir(parents=True, exist_ok=True)
    (target_path / RUN_RESULTS).unlink(missing_ok=True)  # an old one must not speak for this run
    target = DbtTarget.of(warehouse, schema)
    ended = run_dbt(arguments, project=project, target=target, target_path=target_path, timeout_seconds=timeout_seconds)
    if not (target_path / RUN_RESULTS).exists():
        raise not_started(ended, project)
    report = read_report(target_path)
    is_good = not report.failures and ended.returncode == 0
    if state is not None:
        _keep(state, report, target_path, is_whole=is_good and select is None)
    if not is_good:
        raise _failed(report, ended, target_path)
    if select and not report.models and not report.tests:
        raise _nothing_selected(select, project)
    return report


def _selection(*, select: str | None, changed_only: bool, state: BuildState | None) -> list[str]:
    if not changed_only:
        return ["--select", select] if select else []
    if select or state is None:
        raise ConfigError(
            "what is to be built is not clear",
            where="changed_only",
            expected="a state folder, and no other selection",
            found=f"select={select!r}" if select else "no state folder",
            next_step="leave the selection out, or name the models and leave out that only what changed is wanted",
        )
    return state.arguments()


def _keep(state: BuildState, report: TransformReport, target_path: Path, *, is_whole: bool) -> None:
    if is_whole:
        state.keep(target_path / MANIFEST)
        return
    unfinished = report.unfinished
    finished = {model.unique_id for model in report.models} - set(unfinished)
    if unfinished or finished & set(state.unfinished()):
        state.note(unfinished=unfinished, finished=finished)


def _nothing_selected(select: str, project: Path) -> ConfigError:
    return ConfigError(
        "the selection names no model",
        where=f"select={select}",
        expected="dbt's selection syntax with names of this project",
        next_step=f"dbt ls --project-dir {project}",
    )


def run_dbt(
    arguments: Sequence[str], *, project: Path, target: DbtTarget, target_path: Path, timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run one dbt command to its end; its output is text without colours.

    Raises: ConfigError when there is no project; RetriableError when it does not end in time (it is stopped then).
    """
    if not (project / "dbt_project.yml").is_file():
        raise ConfigError("there is no dbt project here", where=str(project), expected="a folder with dbt_project.yml")
    folders = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target_path)]
    command = [sys.executable, "-m", "dbt.cli.main", *arguments, *folders, "--log-path", str(target_path / "logs")]
    try:
        return subprocess.run(
            command,
            cwd=project,
            env=_environment(target),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RetriableError(
            f"dbt did not end within {timeout_seconds:g} seconds and was stopped",
            where=f"dbt {' '.join(arguments)}",
            next_step="look for locks in the warehouse, or give it more time",
        ) from error


def _environment(target: DbtTarget) -> dict[str, str]:
    """The child's whole environment: nothing of Airflow's, and no telemetry."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    quiet = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false"}
    return {**kept, **quiet, "PYTHONWARNINGS": "ignore", **target.environment()}


def not_started(ended: subprocess.CompletedProcess[str], project: Path) -> ConfigError | RetriableError:
    """Why dbt ended before it had run anything: a mistake in the project, or no warehouse."""
    output = _tail(ended)
    if _NO_CONNECTION.search(output):
        return _unreachable(output)
    return ConfigError(
        f"dbt could not run the project\n{output}",
        where=str(project),
        expected="a project that parses",
        found=f"exit code {ended.returncode}",
        next_step=f"correct what dbt names above; `dbt parse --project-dir {project}` checks it without a database",
    )


def _unreachable(output: str) -> RetriableError:
    return RetriableError(
        f"dbt could not reach the warehouse\n{output}", next_step="see whether the warehouse runs: groundwork status"
    )


def _failed(
    report: TransformReport, ended: subprocess.CompletedProcess[str], target_path: Path
) -> BuildFailedError | RetriableError:
    messages = [f"  {result.name}: {result.status}: {_one_line(result.message)}" for result in report.failures]
    if report.failures and all(_NO_CONNECTION.search(result.message or "") for result in report.failures):
        return _unreachable("\n".join(messages))
    is_outdated = any("out of sync" in (result.message or "") for result in report.failures)
    names = ", ".join(result.name for result in report.failures) or f"exit code {ended.returncode}"
    failed = BuildFailedError(
        f"dbt failed in {len(report.failures)} of {len(report.models) + len(report.tests)} models and tests\n"
        + "\n".join(messages or [_tail(ended)]),
        where=str(target_path / RUN_RESULTS),
        expected="every model is built and every test passes",
        found=names,
        next_step="run again with `full_refresh`: the columns of an incremental model changed"
        if is_outdated
        else f"read the compiled SQL of these below {target_path / 'compiled'} and run it in the warehouse",
    )
    failed.report = report
    return failed


def _one_line(message: str | None) -> str:
    return " ".join((message or "no message").split())[:300]


def _tail(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in f"{ended.stdout}\n{ended.stderr}".splitlines() if line.strip()]
    return "\n".join(lines[-_SHOWN_LINES:])
