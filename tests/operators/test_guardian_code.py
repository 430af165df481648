"""The guardian's tasks that look at code: planted violations are found, and who wrote what is judged."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from groundwork.model.errors import ConfigError
from groundwork.operators.guardian_code import CheckAuthorityOperator, CheckRulesOperator
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_BAD = 'import psycopg\n\n\ndef load() -> None:\n    psycopg.connect("").execute("SELECT 1 FROM market.orders")\n'


def _rules(**options: Any) -> CheckRulesOperator:
    return CheckRulesOperator(task_id="check_rules", domain="market", **options)


def _authority(**options: Any) -> CheckAuthorityOperator:
    return CheckAuthorityOperator(task_id="check_authority", domain="market", **options)


def _git(project: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(("git", *identity, *arguments), cwd=project, check=True, capture_output=True)


def test_code_past_the_repositories_is_found(place: Place) -> None:
    (place.project / "dags").mkdir()
    (place.project / "dags" / "good.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert place.execute(_rules())["refused"] == 0
    (place.project / "dags" / "bad.py").write_text(_BAD, encoding="utf-8")
    with pytest.raises(AirflowFailException, match=r"(?s)dags/bad\.py:\d+:\d+: error .*fix: "):
        place.execute(_rules())
    found = place.execute(_rules(fail_on="never"))
    assert {each["file"] for each in found["findings"]} == {"dags/bad.py"}
    assert place.execute(_rules(paths="dags/good.py"))["files"] == 1
    with pytest.raises(ConfigError):
        place.execute(_rules(paths="nowhere"))


def test_a_path_of_another_team_is_refused(place: Place) -> None:
    policy = place.project / "governance" / "policies" / "authority.yaml"
    policy.write_text(
        "kind: authority\nversion: 1.0.0\nteams:\n"
        "  data:\n    description: The data team.\n    members: [t@example.org]\n"
        "    forbidden:\n      - {what: front-end code, paths: ['**/frontend/']}\n",
        encoding="utf-8",
    )
    _git(place.project, "init")
    _git(place.project, "add", "governance")
    _git(place.project, "commit", "-m", "policy")
    (place.project / "frontend").mkdir()
    (place.project / "frontend" / "page.txt").write_text("x", encoding="utf-8")
    (place.project / "notes.txt").write_text("x", encoding="utf-8")
    _git(place.project, "add", "frontend", "notes.txt")
    _git(place.project, "commit", "-m", "change")
    with pytest.raises(AirflowFailException, match=r"(?s)1 refused.*frontend/page\.txt: forbidden"):
        place.execute(_authority(revisions="HEAD~1..HEAD"))
    found = place.execute(_authority(revisions="HEAD~1..HEAD", fail_on="never"))
    assert (found["paths"], found["is_allowed"], len(found["refused"])) == (2, False, 1)
    assert place.execute(_authority(team="data"))["is_allowed"] is True  # the working tree has nothing new
    with pytest.raises(ConfigError, match="names no commit"):
        place.execute(_authority(revisions="nowhere"))


def test_without_a_repository_there_is_nothing_to_judge(place: Place) -> None:
    with pytest.raises(ConfigError, match="no git repository"):
        place.execute(_authority())
