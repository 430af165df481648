"""Proposals into domains: all or nothing, nothing overwritten, what differs shown, no new mistakes let in."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundwork.contracts.contract import Domain
from groundwork.contracts.lint import lint_domain
from groundwork.contracts.read import read_domain
from groundwork.infer.document import contract_data
from groundwork.infer.files import infer_files
from groundwork.infer.into import plan_into, write_into, write_new
from groundwork.infer.into_split import split_by_table
from groundwork.infer.profile import Guess, Proposal
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity
from tests.infer.shop_files import shop_files


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    folder = tmp_path_factory.mktemp("shop")
    return infer_files(shop_files(folder), domain="shop", project=folder)


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    return tmp_path / "governance" / "contracts"


def changed(proposal: Proposal, **values: Any) -> Proposal:
    return replace(proposal, document={**copy.deepcopy(proposal.document), **values})


def refused(proposal: Proposal, contracts: Path, **options: Any) -> ConfigError:
    """The refusal of the plan, after which nothing has changed."""
    before = {path: path.read_bytes() if path.is_file() else b"" for path in contracts.parent.rglob("*")}
    with pytest.raises(ConfigError) as error:
        plan_into(proposal, contracts, **options)
    assert {path: path.read_bytes() if path.is_file() else b"" for path in contracts.parent.rglob("*")} == before
    return error.value


def tables(domain: Domain) -> dict[str, tuple[Any, ...]]:
    return {
        table.name: (
            [(c.name, c.type, c.is_required, str(c.classification)) for c in table.columns],
            table.primary_key,
            [(r.columns, r.target_table, r.target_columns) for r in table.relationships],
            len(table.indexes),
        )
        for table in domain.tables
    }


def test_a_plan_writes_nothing_and_the_files_are_what_was_planned(shop: Proposal, contracts: Path) -> None:
    plan = plan_into(shop, contracts)
    assert not contracts.exists()
    old_mask = os.umask(0o027)
    try:
        written = write_into(plan)
    finally:
        os.umask(old_mask)
    assert written == (contracts / "shop" / "files.odcs.yaml",)
    assert written[0].read_text(encoding="utf-8") == plan.files[0].text
    assert written[0].stat().st_mode & 0o777 == 0o640
    assert [path.name for path in written[0].parent.iterdir()] == ["files.odcs.yaml"]
    assert [found for found in lint_domain("shop", contracts) if found.severity is Severity.ERROR] == []


def test_what_is_there_is_refused_with_its_difference(shop: Proposal, contracts: Path) -> None:
    (path,) = write_into(plan_into(shop, contracts))
    again = refused(shop, contracts)
    assert str(again.found) == f"the file files.odcs.yaml is there ({path}), without a difference"
    path.write_text(path.read_text().replace("status: proposed", "status: active").replace("numeric(8,2)", "money"))
    differs = str(refused(shop, contracts).found)
    assert "the file files.odcs.yaml is there" in differs
    assert "    -status: active\n    +status: draft\n" in differs
    assert "physicalType: money" in differs
    assert "confidence" not in differs
    path.rename(path.with_name("other.odcs.yaml"))
    assert "the contract shop-files is there" in str(refused(shop, contracts).found)
    assert "the table shop.customers is there" in str(refused(shop, contracts, name="fresh").found)
    assert "the table shop.orders is there" in str(refused(shop, contracts, split=True).found)


def test_a_table_of_another_domain_is_not_declared_twice(shop: Proposal, contracts: Path) -> None:
    write_into(plan_into(shop, contracts))
    same_schema = changed(shop, domain="sales", id="sales-files")
    assert "the table shop.orders is there" in str(refused(same_schema, contracts).found)
    custom = [{"property": "databaseSchema", "value": "sales"}]
    write_into(plan_into(changed(same_schema, customProperties=custom), contracts))
    assert read_domain("sales", contracts).tables[0].qualified_name == "sales.customers"


def test_new_mistakes_of_the_domain_are_refused_and_old_ones_are_not(shop: Proposal, contracts: Path) -> None:
    bad = changed(shop, roles=[{"role": "shop_reader", "access": "sometimes"}])
    error = refused(bad, contracts)
    assert "error role: the access `sometimes` is not known" in str(error.found)
    assert "files.odcs.yaml:" in str(error.found)
    (path,) = write_into(plan_into(shop, contracts))
    path.write_text(path.read_text().replace("access: read", "access: sometimes"))
    other = copy.deepcopy(shop.document)
    del other["slaProperties"], other["schema"][1]
    other["schema"][0]["name"], other["roles"] = "partners", [{"role": "partner_reader", "access": "read"}]
    other |= {"id": "shop-partners"}
    plan = plan_into(Proposal(document=other), contracts)
    assert [file.path.name for file in plan.files] == ["partners.odcs.yaml"]
    clash = [{"role": "shop_engineer", "access": "read"}]
    assert "means something else" in str(refused(Proposal(document={**other, "roles": clash}), contracts).found)


def test_a_domain_that_cannot_be_read_is_refused(shop: Proposal, contracts: Path) -> None:
    (contracts / "shop").mkdir(parents=True)
    (contracts / "shop" / "broken.odcs.yaml").write_text("a: [")
    error = refused(shop, contracts)
    assert "broken.odcs.yaml" in str(error.where)
    assert "validate-schema" in str(error.next_step)


@pytest.mark.parametrize("domain", ["", "Shop", "../up", "a b", "1st", "shop/x", "\u017fhop", "x" * 60, "."])
def test_domains_that_are_no_names(shop: Proposal, contracts: Path, domain: str) -> None:
    error = refused(changed(shop, domain=domain), contracts)
    assert error.what == "this is no name for a domain"
    assert error.next_step


def test_a_proposal_without_tables(shop: Proposal, contracts: Path) -> None:
    for split in (False, True):
        assert refused(changed(shop, schema=[]), contracts, split=split).what == "the proposal has no table"


def test_names_that_are_none_or_do_not_go_together(shop: Proposal, contracts: Path) -> None:
    assert "no name for a contract" in refused(shop, contracts, name="../x").what
    assert "called like their tables" in refused(shop, contracts, name="x", split=True).what
    plan = plan_into(shop, contracts, name="first-load")
    assert plan.files[0].path.name == "first_load.odcs.yaml"
    assert "\nid: shop-first-load\nname: First load\n" in plan.files[0].text


def test_a_folder_that_is_a_file_and_a_name_that_is_a_link(shop: Proposal, contracts: Path) -> None:
    contracts.mkdir(parents=True)
    (contracts / "shop").write_text("mine")
    assert refused(shop, contracts).what == "the domain's folder is a file"
    (contracts / "shop").unlink()
    (contracts / "shop").mkdir()
    (contracts / "shop" / "files.odcs.yaml").symlink_to("/nowhere")
    assert str(refused(shop, contracts).where).endswith("shop/files.odcs.yaml")


def test_all_files_are_written_or_none(shop: Proposal, contracts: Path) -> None:
    plan = plan_into(shop, contracts, split=True)
    assert [file.path.name for file in plan.files] == ["customers.odcs.yaml", "orders.odcs.yaml"]
    (contracts / "shop").mkdir(parents=True)
    plan.files[1].path.write_text("somebody was faster")
    with pytest.raises(ConfigError) as error:
        write_into(plan)
    assert "nothing is ever overwritten" in error.value.what
    assert [path.read_text() for path in (contracts / "shop").iterdir()] == ["somebody was faster"]


def test_a_folder_that_cannot_be_made_leaves_nothing(shop: Proposal, tmp_path: Path) -> None:
    (tmp_path / "governance").write_text("a file")
    with pytest.raises(ConfigError) as error:
        write_into(plan_into(shop, tmp_path / "governance" / "contracts"))
    assert error.value.where
    with pytest.raises(ConfigError, match="cannot be written"):
        write_new(tmp_path / "no" / "x.yaml", "a: 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["governance"]


def test_split_contracts_mean_what_the_whole_means(shop: Proposal, contracts: Path, tmp_path: Path) -> None:
    write_into(plan_into(shop, contracts, split=True))
    write_into(plan_into(shop, tmp_path / "whole"))
    split, whole = read_domain("shop", contracts), read_domain("shop", tmp_path / "whole")
    assert tables(split) == tables(whole)
    assert [r.target_table for r in split.table("orders").relationships] == ["customers"]
    assert [found for found in lint_domain("shop", contracts) if found.severity is Severity.ERROR] == []
    assert [len(contract.document.data.get("slaProperties", [])) for contract in split.contracts] == [0, 1]
    parts = split_by_table(shop)
    assert sum(len(part.guesses) for part in parts) == len(shop.guesses)
    assert "placed_at" in str(contract_data(parts[1])["slaProperties"][0])


def test_split_declares_types_and_sequences_once() -> None:
    def table(name: str, type_: str, default: str = "") -> dict[str, Any]:
        custom = [{"property": "default", "value": default}] if default else []
        return {"name": name, "properties": [{"name": "a", "physicalType": type_, "customProperties": custom}]}

    custom = [
        {"property": "databaseSchema", "value": "old"},
        {"property": "enumTypes", "value": [{"name": "mood", "values": ["a"]}, {"name": "size", "values": ["b"]}]},
        {"property": "sequences", "value": [{"name": "numbers"}, {"name": "unused"}]},
    ]
    document = {
        "domain": "d", "id": "d-x", "customProperties": custom,
        "slaProperties": [{"property": "retention", "value": 1, "element": "one, two.a"}, {"property": "support"}],
        "schema": [table("one", "size"), table("two", "mood[]", "nextval('old.numbers')"), table("three", "moody")],
    }  # fmt: skip
    guesses = (Guess(pointer="/slaProperties/0/value", what="w", evidence="e", confidence=1.0),)
    parts = split_by_table(Proposal(document=document, guesses=guesses, left_out=("a view",)))
    shared = [{each["property"]: each["value"] for each in part.document["customProperties"]} for part in parts]
    assert shared == [
        {"databaseSchema": "old", "enumTypes": [{"name": "size", "values": ["b"]}]},
        {"databaseSchema": "old", "enumTypes": [{"name": "mood", "values": ["a"]}], "sequences": [{"name": "numbers"}]},
        {"databaseSchema": "old", "sequences": [{"name": "unused"}]},
    ]
    assert [[level.get("element") for level in part.document["slaProperties"]] for part in parts] == [
        ["one", None], ["two.a", None], [None],
    ]  # fmt: skip
    assert [len(part.guesses) for part in parts] == [1, 1, 0]
    assert [part.left_out for part in parts] == [("a view",), (), ()]
