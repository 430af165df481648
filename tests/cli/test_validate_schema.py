"""`groundwork validate-schema`: several targets, exit codes, forms of output, fixes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groundwork.cli.main import application
from groundwork.model.errors import GroundworkError
from tests.contracts.samples import SHOP_TEXT

BAD = SHOP_TEXT.replace("access: read", "access: Read")
WARNED = SHOP_TEXT.replace("joined_date", "joined")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "governance" / "contracts"
    for name in ("shop", "other"):
        (found / name).mkdir(parents=True)
        text = SHOP_TEXT.replace("domain: shop", f"domain: {name}").replace("value: shop}", f"value: {name}}}")
        (found / name / f"{name}.odcs.yaml").write_text(text, encoding="utf-8")
    return found


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(application, ["validate-schema", *arguments])


def _files(result: Result) -> list[str]:
    return [Path(finding["file"]).name for finding in json.loads(result.stdout)["findings"]]


def test_several_targets_are_judged_each_once(folder: Path) -> None:
    path = folder / "shop" / "shop.odcs.yaml"
    path.write_text(BAD, encoding="utf-8")
    for targets in (["shop", "other"], [str(path), "shop"], ["other", str(folder)], []):
        result = _run(*targets, "--json")
        assert (result.exit_code, _files(result)) == (1, ["shop.odcs.yaml"]), targets
    assert _run("other").exit_code == 0


def test_a_file_is_judged_with_its_domain(folder: Path) -> None:
    column = "{name: c_id, logicalType: integer, physicalType: bigint, primaryKey: true, classification: internal"
    second = folder / "shop" / "second.odcs.yaml"
    head = SHOP_TEXT.partition("roles:")[0].replace("shop-sales", "second")
    column += ", relationships: [{to: customers.customer_id}]}"
    text = f"{head}schema:\n  - name: seconds\n    properties:\n      - {column}\n"
    second.write_text(text, encoding="utf-8")
    assert _run(str(second)).exit_code == 0
    (folder / "shop" / "shop.odcs.yaml").write_text(SHOP_TEXT.replace("- name: customers", "- name: clients"), "utf-8")
    result = _run(str(second), "--json")
    assert (result.exit_code, "second.odcs.yaml" in _files(result)) == (1, True)
    alone = folder.parent / "second.odcs.yaml"
    alone.write_text(text, encoding="utf-8")
    assert _files(_run(str(alone), "--json")) == ["second.odcs.yaml"]


def test_warnings_are_told_and_count_only_when_strict(folder: Path) -> None:
    (folder / "shop" / "shop.odcs.yaml").write_text(WARNED, encoding="utf-8")
    result = _run("shop")
    assert result.exit_code == 0
    assert "warning column_suffix" in result.stdout
    assert _run("shop", "--strict").exit_code == 1
    assert _run("other", "--strict").exit_code == 0


def test_forms_for_machines(folder: Path) -> None:
    path = folder / "shop" / "shop.odcs.yaml"
    path.write_text(BAD.replace("{name: balance,", "{name: 'a%b',"), encoding="utf-8")
    result = _run("shop", "--format", "sarif")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["version"]) == (1, "2.1.0")
    told = {each["ruleId"]: each for each in report["runs"][0]["results"]}
    assert set(told) == {"role", "name_form"} == {rule["id"] for rule in report["runs"][0]["tool"]["driver"]["rules"]}
    place = told["role"]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == (str(path), {"startLine": 12, "startColumn": 5})
    lines = _run("shop", "--format", "github").stdout.splitlines()
    assert lines[0].startswith(f"::error file={path},line=12,col=5,title=validate-schema%3A role::the access `Read`")
    assert any("a%25b" in line for line in lines)
    assert json.loads(_run("shop", "--format", "json").stdout) == json.loads(_run("shop", "--json").stdout)


def test_fixing_shows_and_writes(folder: Path) -> None:
    path = folder / "shop" / "shop.odcs.yaml"
    path.write_text(BAD, encoding="utf-8")
    result = _run("shop")
    assert "(--fix does it)" in result.stdout
    assert "--fix mends 1" in result.stderr
    result = _run("shop", "--fix", "--dry-run")
    assert (result.exit_code, path.read_text("utf-8")) == (1, BAD)
    assert "-    access: Read\n+    access: read\n" in result.stdout
    assert "1 findings would be fixed in 1 files" in result.stderr
    told = json.loads(_run("shop", "--fix", "--dry-run", "--json").stdout)["fixed"]
    assert [(each["file"], each["fixes"]) for each in told] == [(str(path), 1)]
    result = _run("shop", "--fix")
    assert (result.exit_code, path.read_text("utf-8")) == (0, SHOP_TEXT)
    assert "no findings" in result.stderr
    assert _run("shop", "--fix", "--dry-run").exit_code == 0


@pytest.mark.parametrize("target", ["nowhere", "a\0b", "x" * 5000, "../nothing", "loop"])
def test_what_cannot_be_looked_for_is_an_error_in_words(folder: Path, target: str) -> None:
    (folder.parent.parent / "loop").symlink_to("loop")
    result = _run(target)
    assert isinstance(result.exception, GroundworkError)
    assert result.stdout == ""
    (folder / "shop" / "round").symlink_to(folder, target_is_directory=True)
    assert _run(str(folder)).exit_code == 0


def test_a_dry_run_of_nothing_is_a_wrong_call(folder: Path) -> None:
    result = _run("shop", "--dry-run")
    assert result.exit_code == 2
    assert "--fix" in result.stderr
