"""What is generated and committed is what would be generated now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from groundwork.contracts.derive.dbt import SOURCES, sources_yaml
from groundwork.contracts.read import read_domain
from groundwork.settings import Settings
from groundwork.transform.manifest import SLIM_MANIFEST, slim_manifest

SETTINGS = Settings.from_environment()


def test_sources_are_those_of_the_contracts() -> None:
    committed = (SETTINGS.dbt_project / SOURCES).read_text(encoding="utf-8")
    domain = read_domain("market", SETTINGS.contracts)
    assert committed == sources_yaml(domain), "run: python -m groundwork.contracts.derive.dbt market"
    tables = YAML(typ="safe").load(committed)["sources"][0]["tables"]
    assert [table["name"] for table in tables] == [table.name for table in domain.tables]


def test_freshness_is_what_the_contracts_promise() -> None:
    domain = read_domain("market", SETTINGS.contracts)
    document = YAML(typ="safe").load(sources_yaml(domain))
    found = {table["name"]: table["config"] for table in document["sources"][0]["tables"]}
    assert found["stock_prices"]["freshness"] == {"warn_after": {"count": 7, "period": "day"}}
    assert found["stock_prices"]["loaded_at_field"] == "loaded_at"
    assert found["news_articles"]["freshness"] == {"warn_after": {"count": 31, "period": "day"}}
    assert "table_name = 'news_articles'" in found["news_articles"]["loaded_at_query"]
    for promise, expected in (((36.0, "h"), (36, "hour")), ((0.5, "h"), (30, "minute")), (None, None)):
        contracts = tuple(
            replace(contract, tables=tuple(replace(table, freshness=promise) for table in contract.tables))
            for contract in domain.contracts
        )
        changed = YAML(typ="safe").load(sources_yaml(replace(domain, contracts=contracts)))
        made = changed["sources"][0]["tables"][0]["config"]["freshness"]
        assert made == (expected and {"warn_after": {"count": expected[0], "period": expected[1]}})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_slim_manifest_is_that_of_the_project() -> None:
    committed = (SETTINGS.dbt_project / SLIM_MANIFEST).read_text(encoding="utf-8")
    assert committed == slim_manifest(SETTINGS.dbt_project), "run: python -m groundwork.transform.manifest"


def test_the_slim_manifest_names_nothing_of_a_machine() -> None:
    committed = json.loads((SETTINGS.dbt_project / SLIM_MANIFEST).read_text(encoding="utf-8"))
    paths = {node["original_file_path"] for node in committed["nodes"].values()}
    assert paths
    assert not any(Path(path).is_absolute() for path in paths)


def test_the_profile_holds_no_secret() -> None:
    profile = YAML(typ="safe").load(SETTINGS.dbt_project / "profiles.yml")["groundwork"]["outputs"]["warehouse"]
    for name in ("host", "user", "password", "dbname"):
        assert profile[name].startswith("{{ env_var('")
