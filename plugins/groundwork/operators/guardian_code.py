"""Tasks of the schema guardian that look at code: how it reaches data, and who wrote what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundwork.operators.guardian import MOST, GuardianOperator, Look
from groundwork.operators.parameters import names_in

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckRulesOperator(GuardianOperator):
    """Code that reaches data past the repositories, as `groundwork rules check` tells it.

    :param paths: files and folders, from the project's folder; a list or text with commas; empty for those that the
        policy names (templated)
    """

    template_fields: Sequence[str] = (*GuardianOperator.template_fields, "paths")

    def __init__(self, *, paths: str | Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.paths = paths

    def look(self, context: Context) -> Look:
        """Refusals of severity error count as errors, the others as findings."""
        from groundwork.model.vocabulary import Severity
        from groundwork.rules.check import check_paths
        from groundwork.rules.dag_gate import all_domains

        project = self.settings.project
        report = check_paths(
            [project / Path(name) for name in names_in(self.paths)],
            project=project,
            domains=all_domains(self.settings),
        )
        told = f"{report.files:,} files, {len(report.findings):,} refused, {len(report.allowed):,} allowed by a comment"
        return Look(
            told=told,
            errors=sum(finding.severity is Severity.ERROR for finding in report.findings),
            findings=len(report.findings),
            lines=[str(finding) for finding in report.findings],
            next_step="groundwork rules check; groundwork rules explain RULE",
            found={
                "files": report.files,
                "refused": len(report.findings),
                "allowed": len(report.allowed),
                "findings": [finding.to_json() for finding in report.findings[:MOST]],
            },
        )


class CheckAuthorityOperator(GuardianOperator):
    """Paths that were written by whom they may not be, as `groundwork authority check` tells them.

    :param revisions: a range of git such as `main..HEAD`, or a commit; empty for the working tree (templated)
    :param team: judge as this team, whoever the author is; empty for the authors' own teams (templated)
    """

    template_fields: Sequence[str] = (*GuardianOperator.template_fields, "revisions", "team")

    def __init__(self, *, revisions: str = "", team: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.revisions = revisions
        self.team = team

    def look(self, context: Context) -> Look:
        """Each path that may not be written is an error."""
        from groundwork.authority.policy import FILE
        from groundwork.authority.run import check_present, check_range
        from groundwork.contracts.git_repository import GitRepository

        repository, policy = GitRepository.around(self.settings.project), self.settings.policies / FILE
        team = self.team or None
        found = (
            check_range(repository, self.revisions, policy_file=policy, team=team)
            if self.revisions
            else check_present(repository, policy_file=policy, team=team, only_staged=False)
        )
        refused = [f"{each.verdict.path}: {each.verdict.decision}: {each.verdict.why}" for each in found.refused]
        return Look(
            told=f"{len(found.judged):,} paths, {len(refused):,} refused, by {found.policy.source}",
            errors=len(refused),
            findings=len(refused),
            lines=refused,
            next_step=f"groundwork authority check {self.revisions}".rstrip(),
            found={
                "policy": found.policy.source,
                "is_allowed": not refused,
                "paths": len(found.judged),
                "refused": [each.to_json() for each in found.refused[:MOST]],
            },
        )
