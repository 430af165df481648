"""What is generated and committed is what would be generated now."""

from __future__ import annotations

import json
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


@pytest.mark.slow
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
