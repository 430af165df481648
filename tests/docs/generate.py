"""Makes the pages of the manual that follow from code: `docs/commands.md`, `docs/rules.md` and a page for each rule.

`python -m tests.docs.generate` writes them anew; a test compares them with what this module makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from groundwork.cli.commands import COMMANDS, load
from groundwork.contracts.lint.rules import RULES
from tests.docs.rule_pages import first_sentence, fixable_rules, rule_page

DOCS = Path(__file__).resolve().parents[2] / "docs"
_NOTE = "<!-- Made by `python -m tests.docs.generate`: change {source} instead. -->\n"
_RULES_HEAD = """\
# Lint rules

What `groundwork validate-schema` applies to contracts. A finding names file, line, column, rule and the fix:
```
market/prices.odcs.yaml:82:21: error classification: …
    fix: …
```
Findings of severity error keep the data foundation from starting; warnings are told. Two more names can stand in a
finding: `yaml` (the file is not YAML) and `structure` (the JSON Schema of the Open Data Contract Standard is not met,
in the version that the contract says). `groundwork validate-schema --fix` makes the changes that can be right in one
way only and keeps comments, order and spacing of all else; `--fix --dry-run` shows them.

| rule | severity | `--fix` | what it asks for |
|---|---|---|---|
"""
_COMMANDS_HEAD = """\
# Commands

The command is `.venv/bin/groundwork`. Data goes to stdout, everything else to stderr, so that output can be piped; most
commands print JSON with `--json`. `groundwork --debug COMMAND` shows the traceback of an error.

| exit code | meaning |
|---|---|
| 0 | done, and all is well |
| 1 | done, and the answer is no: findings, differences, a closed gate, something down, a broken trail |
| 2 | the command was called wrongly or could not do its work; the message says what, where and the next step |
| 3 | `status`: nothing is installed here |
| 130 | interrupted |

"""


def rules_page() -> str:
    """The list of lint rules, in the order in which they run; each has its own page."""
    fixable = fixable_rules()
    parts = [_NOTE.format(source="the docstrings in `groundwork/contracts/lint/rules`"), _RULES_HEAD]
    for name, rule in RULES.items():
        mends = "some" if name in fixable else ""
        parts.append(f"| [{name}](rules/{name}.md) | {rule.severity} | {mends} | {first_sentence(name)} |\n")
    return "".join(parts)


def commands_page() -> str:
    """The page of commands, from their help."""
    parts = [_NOTE.format(source="the help texts in `groundwork/cli`"), _COMMANDS_HEAD]
    parts += [_section(names, command) for names, command in all_commands()]
    return "".join(parts).rstrip() + "\n"


def all_commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name: `demo`, `api-key issue`, …; groups come before what is in them."""
    for name in COMMANDS:
        command = load(name)
        yield name, command
        for part, below in getattr(command, "commands", {}).items():
            yield f"{name} {part}", below


def _section(name: str, command: Any) -> str:
    level = "###" if " " in name else "##"
    usage = " ".join([f"groundwork {name}", *(_usage(parameter) for parameter in command.params)])
    if hasattr(command, "commands"):
        usage = f"groundwork {name} COMMAND"
    rows = [_row(parameter) for parameter in command.params]
    table = "\n| argument or option | meaning |\n|---|---|\n" + "".join(rows) if rows else ""
    return f"{level} groundwork {name}\n{_paragraphs(command.help)}\n\n```\n{usage}\n```\n{table}\n"


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").strip().split("\n\n"))


def _usage(parameter: Any) -> str:
    shown: str = _spelling(parameter)
    return shown if parameter.required else f"[{shown}]"


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper()).strip("[]")
    name: str = max(parameter.opts, key=len)
    return name if parameter.is_flag else f"{name} {parameter.name.upper()}"


def _row(parameter: Any) -> str:
    default = parameter.default
    told = str(parameter.help or "")
    if default not in (None, False, ...) and not callable(default):
        told = f"{told.rstrip('.')}. Default: {default}."
    spelled = _spelling(parameter).replace("|", " or ")
    return f"| `{spelled}` | {told} |\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "rules.md": rules_page,
    "commands.md": commands_page,
    **{f"rules/{name}.md": partial(rule_page, name) for name in RULES},
}


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        page = DOCS / name
        page.parent.mkdir(exist_ok=True)
        page.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
