"""A proposal as the text of a contract file: readable, the same for the same proposal, every guess marked.

Owns the form only; what is proposed is decided where it was measured. No value of a row is in a proposal beyond what
its rules say (allowed values, limits), and none at all of columns with personal data, so none can get into the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from groundwork.contracts.yaml_writing import readable_text
from groundwork.infer.document_marks import host_of, marked, unmarked
from groundwork.infer.profile import Guess, Proposal
from groundwork.model.errors import ConfigError, FatalError

_PARTS = ("/schema/", "/slaProperties/", "/roles/")  # a comment on a whole part stands at its first line


def contract_data(proposal: Proposal, *, is_marked: bool = True) -> dict[str, Any]:
    """The proposal's document as it is written: with a mark per guess and the status `proposed`, or a plain `draft`."""
    document = _writable(proposal.document)
    if not is_marked:
        return unmarked(document)
    return marked(unmarked(document) | {"status": "proposed"}, _writable_guesses(proposal.guesses))


def to_yaml(proposal: Proposal, *, is_marked: bool = True) -> str:
    """The contract file's text; read again it gives the data of `contract_data`.

    With marks each guess is in `customProperties` of the part that it is about, and the line of the guessed value bears
    a comment with the confidence.

    Raises: ConfigError when the contract is larger than a contract file can be.
    """
    data = contract_data(proposal, is_marked=is_marked)
    text = readable_text(data)
    places = _checked_places(text, data)
    if not is_marked:
        return text
    commented = _commented(text, places, _comments(data, proposal.guesses))
    return commented if _is_same(commented, data) else text


def _comments(data: Mapping[str, Any], guesses: Iterable[Guess]) -> dict[str, list[float]]:
    """The confidences by the place that they are told at: the value itself, or a relationship or service level."""
    found: dict[str, list[float]] = {}
    for guess in guesses:
        host = host_of(data, guess.pointer)
        if guess.pointer != host or "/relationships/" in host or host.startswith("/slaProperties/"):
            found.setdefault(guess.pointer, []).append(guess.confidence)
    return found


def _commented(text: str, places: Mapping[str, int], comments: Mapping[str, list[float]]) -> str:
    """The text with a comment at the end of each line where a guess stands and a comment can."""
    lines = text.split("\n")
    inside = _lines_of_long_texts(text)
    by_line: dict[int, list[float]] = {}
    for pointer, confidences in comments.items():
        line = places.get(pointer)
        if line is not None and line not in inside:
            by_line.setdefault(line, []).extend(confidences)
    for line, confidences in by_line.items():
        low, high = f"{min(confidences):.2f}", f"{max(confidences):.2f}"
        lines[line - 1] += f"  # proposed, {low}" if low == high else f"  # proposed, {low} to {high}"
    return "\n".join(lines)


def _lines_of_long_texts(text: str) -> set[int]:
    """The lines of texts that go over several lines, where a comment would be part of the text."""
    import yaml  # type: ignore[import-untyped]

    found: set[int] = set()
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        first, last = token.start_mark.line + 1, token.end_mark.line + 1
        if isinstance(token, yaml.ScalarToken) and last > first:
            found.update(range(first, last + 1))
    return found


def _checked_places(text: str, data: Mapping[str, Any]) -> dict[str, int]:
    """The line of each value in `text`, which means `data`.

    Raises: ConfigError when the text is too large; FatalError when it means something else.
    """
    from groundwork.contracts.document import MOST_BYTES
    from groundwork.contracts.yaml_tree import YamlError, parse_tree

    size = len(text.encode())
    try:
        tree = parse_tree(text) if size <= MOST_BYTES else None
    except YamlError as error:
        if "more than" not in error.message:
            raise FatalError("the contract does not read back", found=error.message) from error
        tree = None
    if tree is None:
        tables = len(data.get("schema") or ())
        raise ConfigError(
            "the proposed contract is too large for one file",
            expected=f"at most {MOST_BYTES:,} bytes and what a contract can hold",
            found=f"{size:,} bytes, {tables:,} tables",
            next_step="write a contract per table with --into DOMAIN --split, leave marks out with --unmarked, "
            "or name some of the tables",
        )
    if tree.value != data:
        raise FatalError("the contract does not read back as it was written", found="other values")
    return {pointer: position.line for pointer, position in tree.positions.items()}


def _is_same(text: str, data: Mapping[str, Any]) -> bool:
    from groundwork.contracts.yaml_tree import YamlError, parse_tree

    try:
        return bool(parse_tree(text).value == data)
    except YamlError:
        return False


def _writable(data: Any) -> Any:
    """The data without what no UTF-8 text has: halves of letters (names of files that are no text) and NUL."""
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode().replace("\0", "�")
    if isinstance(data, Mapping):
        return {_writable(key): _writable(value) for key, value in data.items()}
    return [_writable(item) for item in data] if isinstance(data, list | tuple) else data


def _writable_guesses(guesses: Iterable[Guess]) -> list[Guess]:
    from dataclasses import replace

    return [replace(guess, what=_writable(guess.what), evidence=_writable(guess.evidence)) for guess in guesses]
