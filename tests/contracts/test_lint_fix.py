"""Fixes of findings that can be right in one way only: they mend, keep all else, and mend once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwork.contracts.document import parse_document
from groundwork.contracts.edits import AddEntry, AppendItem, Edit, RemoveItem, RenameKey, SetValue
from groundwork.contracts.lint import Fixes, fix_files, lint_files
from groundwork.contracts.lint import fix as module
from groundwork.contracts.lint.run import Judged
from groundwork.contracts.lint.yaml_text import Source
from groundwork.contracts.text_edit import edited
from groundwork.model.errors import ConfigError
from tests.contracts.lint_cases import Case, cases
from tests.contracts.samples import SHOP_TEXT

INDEX = "{name: sales_customer_id_idx, columns: [customer_id], reason: Serves the foreign key.}"
MISTAKES = [  # rule, what is right, what stands there
    ("structure", "apiVersion: v3.2.0\n", ""),
    ("structure", "kind: DataContract\n", ""),
    ("structure", "apiVersion: v3.2.0", "apiVersion: 3.2.0"),
    ("structure", "status: active\nd", "statsu: active\nd"),
    ("structure", "logicalType: boolean", "logicalType: Boolean"),
    ("structure", "logicalType: integer", "logicalType: intger  # a count"),
    ("classification", "required: true, classification: internal}", "required: true, classification: Internal}"),
    (
        "classification",
        "classification: internal\n        description",
        "classification: 'intrnal'\n        description",
    ),
    ("role", "access: read", "access: READ"),
    ("domain_name", "domain: shop\n", ""),
    ("logical_type", "        logicalType: boolean\n", ""),
    ("custom_property", "property: identity", "property: identiti"),
    ("custom_property", "property: identity, value: always", "property: identity, value: alway"),
    ("foreign_key_index", f"[{INDEX}]", "[]"),
    ("index_redundancy", f"[{INDEX}]", f"[{INDEX}, {{name: twice_idx, columns: [customer_id]}}]"),
]


def _fixed(folder: Path, text: str, *, is_dry_run: bool = False) -> tuple[Fixes, Path]:
    path = folder / "shop.odcs.yaml"
    path.write_bytes(text.encode())
    return fix_files([path], domain="shop", is_dry_run=is_dry_run), path


@pytest.mark.parametrize(
    ("rule", "right", "wrong"), MISTAKES, ids=[f"{rule}: {wrong[:30]!r}" for rule, _, wrong in MISTAKES]
)
def test_a_fix_mends_and_changes_nothing_else(tmp_path: Path, rule: str, right: str, wrong: str) -> None:
    assert right in SHOP_TEXT
    text = SHOP_TEXT.replace(right, wrong, 1)
    path = tmp_path / "shop.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    (finding,) = [finding for finding in lint_files([path], domain="shop") if finding.rule == rule]
    assert finding.is_fixable
    assert "--fix" in str(finding)
    fixes, path = _fixed(tmp_path, text)
    assert fixes.findings == ()
    (file,) = fixes.files
    after = path.read_text(encoding="utf-8")
    assert (file.fixes, file.after) == (1, after)
    changed = [line for line in file.diff.splitlines()[2:] if line[:1] in "+-"]
    assert len(changed) <= 3, file.diff
    again = fix_files([path], domain="shop")
    assert (again.files, again.findings, path.read_text(encoding="utf-8")) == ((), (), after)


def test_many_fixes_in_one_file(tmp_path: Path) -> None:
    text = "# by hand\n" + SHOP_TEXT.replace("\n", "   # kept\n", 1)
    for _, right, wrong in (MISTAKES[1], MISTAKES[3], MISTAKES[4], MISTAKES[6], MISTAKES[8], MISTAKES[9], MISTAKES[13]):
        text = text.replace(right, wrong, 1)
    fixes, path = _fixed(tmp_path, text)
    assert (fixes.findings, [file.fixes for file in fixes.files]) == ((), [7])
    after = path.read_text(encoding="utf-8")
    assert after.startswith("# by hand\n")
    assert after.count("# kept") == 1
    sound = parse_document(SHOP_TEXT, path).data
    found = parse_document(after, path).data
    del sound["schema"][1]["customProperties"][1], found["schema"][1]["customProperties"][1]
    assert found == sound


def test_what_a_fix_made_possible_is_fixed_too(tmp_path: Path) -> None:
    text = SHOP_TEXT.replace(f"indexes\n        value: [{INDEX}]", f"other\n        value: [{INDEX}]")
    typed, other = "logicalType: integer, physicalType: bigint", "relationships: [{to: customers.customer_id}]"
    column = f"      - {{name: b_id, {typed}, classification: internal, {other}}}\n"
    text = text.replace("      - name: state\n", f"{column}      - name: state\n")
    fixes, path = _fixed(tmp_path, text)
    assert fixes.findings == ()
    properties = parse_document(path.read_text(encoding="utf-8"), path).data["schema"][1]["customProperties"]
    assert [index["name"] for index in properties[-1]["value"]] == ["sales_customer_id_idx", "sales_b_id_idx"]


def test_tabs_at_the_begin_of_lines_become_spaces(tmp_path: Path) -> None:
    text = SHOP_TEXT.replace("\n    physicalType: table", "\n\t\tphysicalType: table")
    fixes, path = _fixed(tmp_path, text)
    assert fixes.findings == ()
    assert path.read_text(encoding="utf-8") == SHOP_TEXT


def test_a_dry_run_shows_and_changes_nothing(tmp_path: Path) -> None:
    text = SHOP_TEXT.replace("access: read", "access: Read")
    fixes, path = _fixed(tmp_path, text, is_dry_run=True)
    assert path.read_text(encoding="utf-8") == text
    assert "-    access: Read\n+    access: read\n" in fixes.files[0].diff
    assert fixes.findings == ()


def test_byte_order_mark_line_ends_mode_and_links_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    text = "\ufeff" + SHOP_TEXT.replace("access: read", "access: Read").replace("kind: DataContract\n", "").replace(
        "\n", "\r\n"
    )
    real.write_bytes(text.encode())
    real.chmod(0o640)
    link = tmp_path / "shop.odcs.yaml"
    link.symlink_to(real)
    assert fix_files([link], domain="shop").findings == ()
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    after = real.read_bytes().decode()
    assert after.startswith("\ufeffkind: DataContract\r\napiVersion")
    assert after.count("\n") == after.count("\r\n") == SHOP_TEXT.count("\n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["real.yaml", "shop.odcs.yaml"]


def test_a_file_that_somebody_changed_meanwhile_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shop.odcs.yaml"
    path.write_text(SHOP_TEXT.replace("access: read", "access: Read"), encoding="utf-8")
    judged = module.judged

    def changing(sources: list[Source], *, domain: str | None) -> list[Judged]:
        path.write_text("id: theirs\n", encoding="utf-8")
        return judged(sources, domain=domain)

    monkeypatch.setattr(module, "judged", changing)
    with pytest.raises(ConfigError, match="meanwhile"):
        fix_files([path], domain="shop")
    assert path.read_text(encoding="utf-8") == "id: theirs\n"


def test_a_file_that_cannot_be_written_is_told_and_kept(tmp_path: Path) -> None:
    """The new text is written beside the old one first, and a name of 255 bytes leaves no room for that."""
    path = tmp_path / f"{'s' * 245}.odcs.yaml"
    path.write_text(SHOP_TEXT.replace("access: read", "access: Read"), encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot write"):
        fix_files([path], domain="shop")
    assert "access: Read" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("case", [case for case in cases() if case.finds], ids=lambda case: f"{case.rule}: {case.name}")
def test_fixing_any_case_twice_is_fixing_it_once(case: Case, tmp_path: Path) -> None:
    before = lint_files([_written(tmp_path, case.text)], domain="shop")
    fixes, path = _fixed(tmp_path, case.text)
    assert len(fixes.findings) <= len([finding for finding in before if not finding.is_fixable])
    once = path.read_bytes()
    again = fix_files([path], domain="shop")
    assert (again.files, again.findings) == ((), fixes.findings)
    assert path.read_bytes() == once


def _written(folder: Path, text: str) -> Path:
    path = folder / "shop.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("a: &x {b: 1}\nc: *x\n", SetValue(pointer="/c/b", value=2)),
        ("a: &x 1\nc: *x\n", SetValue(pointer="/a", value=2)),
        ("a: |\n  long\n", SetValue(pointer="/a", value="b")),
        ("a: [1]\n", RemoveItem(pointer="/a/0")),
        ("a:\n  - - 1\n    - 2\n", RemoveItem(pointer="/a/0/0")),
        ("a: 1\nb: 2\n", RenameKey(pointer="/a", name="b")),
        ("a: {b: 1}\n", AddEntry(pointer="/a", key="b", value=2)),
        ("a: 1\n", SetValue(pointer="/nothing/here", value=2)),
        ("a: 1\n", AppendItem(pointer="/a", value=2)),
    ],
)
def test_an_edit_that_cannot_be_written_changes_nothing(text: str, edit: Edit) -> None:
    assert edited(text, [edit]) == (text, ())


_ENTRIES = st.sampled_from(
    [
        "x: 1",
        "y: 'q'  # c",
        "z: [1, 2]",
        "w: {k: v}",
        "t: |\n    x\n    y",
        "n:",
        "l:\n    - 1\n    # c\n    - 2",
        "m:\n    k: v\n\n",
    ]
)
_EDITS: list[Edit] = [
    SetValue(pointer="/a/x", value="a: b"),
    SetValue(pointer="/a/n", value=1),
    RenameKey(pointer="/a/l", name="renamed"),
    AddEntry(pointer="/a", key="new", value={"p": ["q, r", None]}),
    AddEntry(pointer="/a", key="first", value="yes", is_first=True),
    AddEntry(pointer="/a/w", key="more", value=True),
    AppendItem(pointer="/a/z", value="it's"),
    AppendItem(pointer="/a/l", value={"name": "# no comment"}),
    RemoveItem(pointer="/a/l/0"),
    RemoveItem(pointer="/a/z/1"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_ENTRIES, min_size=1, max_size=8, unique=True),
    st.lists(st.sampled_from(range(len(_EDITS))), unique=True),
    st.booleans(),
)
def test_edits_mean_in_the_text_what_they_mean_for_the_data(entries: list[str], chosen: list[int], ends: bool) -> None:
    edits = [_EDITS[position] for position in chosen]
    text = "# head\na:\n" + "".join(f"  {entry}\n" for entry in entries) + ("b: 1\n" if ends else "")
    after, done = edited(text, edits)
    path = Path("a.yaml")
    wanted = parse_document(text, path).data
    for edit in sorted(done, key=lambda each: isinstance(each, RemoveItem)):
        edit.apply(wanted)
    assert parse_document(after, path).data == wanted
    assert after.count("# head") == 1
    assert after.count("# c\n") == text.count("# c\n") or RemoveItem(pointer="/a/l/0") in done
    if not done:
        assert after == text
