"""The rules checker: files per second, and its time as a multiple of `ast.parse` alone.

Over our own code, and over the installed packages of Airflow as a large body of code that nobody wrote for the checker.
Times are processor time of one process, the best of some rounds, so that a busy machine counts little; the last column
is wall time with a process per core.

Run: .venv/bin/python benchmarks/rules.py [--rounds N] [FOLDER ...]
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from groundwork.rules.check import check_paths
from groundwork.rules.dag_gate import all_domains
from groundwork.rules.finding import Report
from groundwork.rules.policy import CodePolicy
from groundwork.settings import Settings

_STRICT = CodePolicy(source="a policy without places")


def main() -> None:
    """Measure and print one line per folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    settings = Settings.from_environment()
    domains = all_domains(settings)
    sys.stdout.write("folder                      files  refused  seconds  files/s  x parse  files/s, all cores\n")
    for folder in given.folders or [settings.project / "plugins", _airflow()]:
        project = settings.project if folder.is_relative_to(settings.project / "plugins") else folder

        def check(*, processes: int = 1, folder: Path = folder, project: Path = project) -> Report:
            return check_paths([folder], project=project, domains=domains, policy=_STRICT, processes=processes)

        report = check()
        parsing = _best(lambda folder=folder: _parse(folder), given.rounds)
        seconds = _best(check, given.rounds)
        started = time.perf_counter()
        check(processes=os.cpu_count() or 1)
        wall = time.perf_counter() - started
        sys.stdout.write(
            f"{str(folder)[-26:]:<26} {report.files:>6} {len(report.findings):>8} {seconds:>8.2f} "
            f"{report.files / seconds:>8.0f} {seconds / parsing:>8.1f} {report.files / wall:>19.0f}\n"
        )


def _airflow() -> Path:
    import airflow

    return Path(str(airflow.__file__)).parent


def _parse(folder: Path) -> None:
    for path in folder.rglob("*.py"):
        ast.parse(path.read_bytes())


def _best(work: Callable[[], object], rounds: int) -> float:
    """The least processor time of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


if __name__ == "__main__":
    main()
