"""What is wrong with patterns and policies of ORBT, told on the pages that stand on them."""

from __future__ import annotations

from groundwork.model.errors import ConfigError
from groundwork.orbt.policy_check import healing_policies
from groundwork.pages.block import Problem
from groundwork.pages.sources import Sources


def policy_problems(sources: Sources) -> tuple[Problem, ...]:
    """One problem for each file that cannot be read; files are told by their path from the project."""
    project = sources.contracts.parents[1]
    found = (each.problem for each in healing_policies(project))
    return tuple(_told(problem, f"{project}/") for problem in found if problem is not None)


def _told(problem: ConfigError, project: str) -> Problem:
    where = str(problem.where).replace(project, "")
    found = "" if problem.found is None else f", {problem.found}"
    return Problem(
        what=f"{problem.what[:1].upper()}{problem.what[1:]}: {where}{found}.",
        next_step="Healing goes on without it; `groundwork policies check` tells what is expected.",
    )
