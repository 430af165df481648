"""Which files are looked at, and files that are broken, strange or hostile: told, and the rest is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError
from groundwork.rules.check import check_paths
from tests.rules.samples import STRICT, checked, shop, told

BAD = "def load(cursor):\n    cursor.execute('SELECT 1')\n"


def test_a_broken_file_is_a_finding_and_the_rest_is_checked(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n", encoding="utf-8")
    (tmp_path / "fine.py").write_text(BAD, encoding="utf-8")
    report = check_paths([tmp_path], project=tmp_path, domains=[], policy=STRICT)
    assert [(finding.file, finding.line, finding.rule) for finding in report.findings] == [
        ("broken.py", 2, "unreadable_file"),
        ("fine.py", 2, "raw_sql"),
    ]
    assert "Python does not parse" in report.findings[0].message


@pytest.mark.parametrize(
    "content",
    [b"x = '\x00'\n", b"\xff\xfe\x00", "x = 'ä'\n".encode("latin-1"), b"# coding: nonsense\n", b"x = (" * 5000, b"'''"],
)
def test_what_is_no_python_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.py"
    path.write_bytes(content)
    report = check_paths([path], project=tmp_path, domains=[], policy=STRICT)
    assert [finding.rule for finding in report.findings] == ["unreadable_file"]


def test_encodings_and_columns_are_those_of_characters(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes("# coding: latin-1\ndef f(cursor):\n    ä = cursor.execute('SELECT 1')\n".encode("latin-1"))
    (finding,) = check_paths([path], project=tmp_path, domains=[], policy=STRICT).findings
    assert (finding.line, finding.span.column, finding.source) == (3, 9, "    ä = cursor.execute('SELECT 1')")
    path.write_text(f"\ufeff{BAD}", encoding="utf-8")
    assert told(check_paths([path], project=tmp_path, domains=[], policy=STRICT)) == [(2, "raw_sql")]


def test_nothing_of_a_file_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nexec(\"open({str(mark)!r}, 'w')\")\n"
    assert checked(tmp_path, source).findings == ()
    assert not mark.exists()


def test_folders_that_are_nobodys_are_left_out(tmp_path: Path) -> None:
    for name in (".hidden", "__pycache__", "node_modules", "venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bad.py").write_text(BAD, encoding="utf-8")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "notes.txt").write_text("cursor.execute('SELECT 1')", encoding="utf-8")
    report = check_paths([tmp_path], project=tmp_path, domains=[], policy=STRICT)
    assert (report.files, report.findings) == (0, ())


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file or folder"):
        check_paths([tmp_path / "nothing"], project=tmp_path, domains=[], policy=STRICT)


def test_sql_files_are_refused_outside_of_repositories(tmp_path: Path) -> None:
    source = "\n-- all of it\nSELECT sttus FROM shop.orders;\nDELETE FROM shop.ordrs;\n"
    report = checked(tmp_path, source, name="a.sql", domains=(shop(),))
    assert told(report) == [(3, "raw_sql"), (3, "undeclared_column"), (4, "undeclared_table")]
    assert "1 more statements" in report.findings[0].message


def test_a_broken_statement_is_told_with_its_line_and_the_rest_is_checked(tmp_path: Path) -> None:
    source = "SELECT total FROM shop.orders;\nSELECT 1\n  FROM WHERE;\nSELECT totl FROM shop.orders;\n"
    report = checked(tmp_path, source, name="a.sql", domains=(shop(),))
    assert told(report) == [(1, "raw_sql"), (3, "unreadable_file"), (4, "undeclared_column")]


def test_a_template_is_one_refusal_whatever_it_renders_to(tmp_path: Path) -> None:
    template = "{% if x %}\nSELECT * FROM {{ ref('orders') }}\n{% else %} DROP {{ y }} {% endif %} WHERE\n"
    assert told(checked(tmp_path, template, name="t.sql")) == [(1, "raw_sql")]
    assert [rule for _, rule in told(checked(tmp_path, "SELECT {{ x", name="u.sql"))] == ["unreadable_file"]


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    for name in ("a.py", "a.sql"):
        assert checked(tmp_path, "", name=name).findings == ()
    assert checked(tmp_path, "-- nothing yet\n", name="b.sql").findings == ()


@pytest.mark.parametrize(
    "source",
    [
        "def f(c):\n    c.execute(" + " + ".join(["'SELECT a FROM b'"] + ["' '"] * 900) + ")\n",
        "def f(c, q):\n    f(c, q + 'x')\n    g(c, q)\ndef g(c, q):\n    f(c, q)\n    c.execute(q)\nf(1, 'SELECT a')\n",
        "class A(B):\n    q = 'SELECT a FROM b'\nclass B(A):\n    def f(self, c):\n        c.execute(self.q)\n",
    ],
)
def test_long_and_circular_code_is_followed(tmp_path: Path, source: str) -> None:
    assert [rule for _, rule in told(checked(tmp_path, source))] == ["raw_sql"]


@pytest.mark.parametrize(
    "source",
    [
        "x = a" + ".b()" * 900 + "\n",
        "\n".join(f"q{n} = f'{{q{n - 1}}} {{q{n - 1}}}'" for n in range(1, 100)) + "\nq0 = 'x'\nc.execute(q99)\n",
        "\n".join("a = a + b\nb = b + a\nc.execute(a)" for _ in range(100)),
        "from x import *\nimport case\ncase.case.case.execute('SELECT')\n",
    ],
)
def test_code_that_goes_in_circles_ends(tmp_path: Path, source: str) -> None:
    assert checked(tmp_path, source).files == 1
