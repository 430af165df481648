"""Names, words and keys that nobody knows are refused with the nearest one that is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.cli import health, knowledge
from groundwork.cli.commands import advised
from groundwork.governance.policy_file import read_policy_files
from groundwork.local.layout import Layout
from groundwork.model.errors import ConfigError
from groundwork.model.nearest import asked_first, did_you_mean, nearest
from groundwork.orbt.patterns import read_pattern
from groundwork.orbt.policy_check import MODELS
from groundwork.orbt.policy_document import read_policy_document
from groundwork.orbt.remedies.catalogue import remedy
from tests.fix_stack import run_command

_ROOT = Path(__file__).parents[2]
_POLICIES = _ROOT / "governance" / "policies"


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("ask_after_opening", ["threshold", "ask_after_openings"], "ask_after_openings"),
        ("HIGH", ["low", "high"], "high"),
        ("hihg", ["Low", "High"], "High"),
        ("nonsense", ["low", "high"], None),
        ("", ["low"], None),
        ("low", [], None),
        (None, ["low", "none"], "none"),
        (17, ["7", "17"], "17"),
        ("x" * 100_000, ["x" * 100], "x" * 100),
    ],
)
def test_the_nearest_word_is_found(written: object, known: list[str], meant: str | None) -> None:
    assert nearest(written, known) == meant
    assert did_you_mean(written, known) == (f"did you mean `{meant}`?" if meant else None)
    assert asked_first(written, known, "go on").endswith("go on")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Value error, 'opne' is not one of 'open', 'answered'.", "'opne' is not one of 'open', 'answered'. Did you"),
        ("'it's' is not one of 'open', 'its'.", "'it's' is not one of 'open', 'its'. Did you mean 'its'?"),
        ("Value error, 'zzz' is not one of 'open', 'answered'.", "'zzz' is not one of 'open', 'answered'."),
        ("Input should be a valid integer", "Input should be a valid integer"),
    ],
)
def test_what_is_refused_of_an_option_is_told(message: str, told: str) -> None:
    assert advised(message).startswith(told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("incidents", "list", "--stage", "opne"), "'reviewed'. Did you mean 'open'?"),
        (("incidents", "list", "--severity", "hihg"), "'critical'. Did you mean 'high'?"),
        (("incidents", "answer", "x", "rety"), "'ignore'. Did you mean 'retry'?"),
        (("incidnets",), "No such command 'incidnets'. Did you mean 'incidents'?"),
        (("remedies", "show", "analyse_tables"), "next: did you mean `analyze_tables`?"),
        (("remedies", "runs", "--state", "doen"), "next: did you mean `done`?"),
        (("knowledge", "export", "out", "--pattern", "conection_failures"), "did you mean `connection_failures`?"),
    ],
)
def test_commands_name_what_was_meant(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    shown = run_command(Layout(project=_ROOT, home=tmp_path / "home"), *words)
    assert shown.returncode == 2
    assert told in shown.stderr
    assert "Value error" not in shown.stderr


def test_patterns_remedies_and_subjects_name_what_was_meant() -> None:
    with pytest.raises(ConfigError, match="did you mean `schema_drift`\\? name one of them"):
        knowledge._pattern("schema_drifts")
    with pytest.raises(ConfigError, match="did you mean `reset_connections`\\? name the remedy in the pattern first"):
        knowledge._require_remedy(knowledge._pattern("connection_failures"), "reset_conections", is_any=False)
    with pytest.raises(ConfigError, match="did you mean `harmful`"):
        knowledge._verdict("harmfull")
    with pytest.raises(ConfigError, match="next: groundwork remedies list"):
        remedy("nonsense")
    assert "did you mean `market_prices`? groundwork health" in str(health._unknown("market_price", ["market_prices"]))


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("breakers.yaml", "ask_after_openings", "ask_after_opening", "did you mean `ask_after_openings`?"),
        ("escalation.yaml", "silence_hours", "silence_hour", "did you mean `silence_hours`?"),
        ("notifications.yaml", "kind: log", "kind: lgo", "did you mean `log`?"),
        ("notifications.yaml", "[log]", "[lgo]", "no channel is called lgo; there are log; did you mean `log`?"),
        ("remedies.yaml", "  create_index:", "  create_idnex:", "did you mean `create_index`?"),
    ],
)
def test_policies_name_what_was_meant(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    whole = (_POLICIES / file).read_text(encoding="utf-8")
    assert old in whole
    (tmp_path / file).write_text(whole.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_policy_document(tmp_path / file, MODELS[file])
    assert told in str(caught.value)


def test_a_pattern_names_the_remedy_that_was_meant(tmp_path: Path) -> None:
    whole = (_ROOT / "governance" / "patterns" / "connection_failures.yaml").read_text(encoding="utf-8")
    assert "reset_connections" in whole
    path = tmp_path / "connection_failures.yaml"
    path.write_text(whole.replace("remedy: reset_connections", "remedy: reset_conections"), encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean `reset_connections`"):
        read_pattern(path)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("masking.yaml", "personal_data:", "personal_dat:", "next: did you mean `personal_data`?"),
        ("retention.yaml", "kind: retention", "kind: retenton", "next: did you mean `retention`? use one of the words"),
    ],
)
def test_governance_policies_name_what_was_meant(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    for path in _POLICIES.glob("*.yaml"):
        content = path.read_text(encoding="utf-8")
        if path.name == file:
            assert old in content
            content = content.replace(old, new, 1)
        (tmp_path / path.name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_policy_files(tmp_path)
    assert told in str(caught.value)
