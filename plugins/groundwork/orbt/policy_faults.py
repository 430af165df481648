"""What is wrong with a policy's file: pydantic's errors with line and column, what is expected and what is found.

Not here: how a file is read, and what its models are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from groundwork.contracts.document import Document
from groundwork.contracts.yaml_tree import escaped
from groundwork.model.nearest import did_you_mean

_LONGEST = 80  # characters of a value that are told
_QUOTES = "'"
_QUOTED = re.compile(r"'([^']*)'")
_OF_WORDS = {"literal_error", "enum", "union_tag_invalid"}
_BOUNDS = {
    "greater_than": ("a number above", "gt"),
    "greater_than_equal": ("a number from", "ge"),
    "less_than": ("a number below", "lt"),
    "less_than_equal": ("a number up to", "le"),
}


@dataclass(frozen=True, kw_only=True)
class PolicyFault:
    """One thing that is wrong; line and column count from 1, `expected` is null where `found` says it all.

    `meant` asks for the nearest word that may stand there; null when none is near.
    """

    line: int
    column: int
    expected: str | None
    found: str
    meant: str | None = None

    def __str__(self) -> str:
        told = self.found if self.expected is None else f"{self.found}, expected {self.expected}"
        return told if self.meant is None else f"{told} ({self.meant})"


def faults_of(error: ValidationError, model: type[BaseModel], document: Document) -> list[PolicyFault]:
    """Everything that is wrong, in order of lines; in each what is missing last, which a misspelt key explains."""
    errors = sorted(error.errors(include_url=False), key=lambda each: each["type"] == "missing")
    return sorted((_fault(each, model, document) for each in errors), key=lambda fault: fault.line)


def _fault(error: Mapping[str, Any], model: type[BaseModel], document: Document) -> PolicyFault:
    steps = list(_steps(error["loc"], document.data))
    place = document.position("".join(f"/{escaped(step)}" for step in steps))
    expected, found = _words(error, model)
    where = f"`{'/'.join(map(str, steps))}`: " if steps else ""
    return PolicyFault(
        line=place.line, column=place.column, expected=expected, found=f"{where}{found}", meant=_meant(error, model)
    )


def _steps(location: Sequence[int | str], data: Any) -> Iterator[int | str]:
    """The way to what an error is about, as far as the file goes; names of kinds are no steps of the file."""
    node = data
    for step in location:
        is_there = (isinstance(node, dict) and step in node) or (
            isinstance(node, list) and isinstance(step, int) and step < len(node)
        )
        if is_there:
            node = node[step]
            yield step


def _words(error: Mapping[str, Any], model: type[BaseModel]) -> tuple[str | None, str]:
    """What is expected, null where it is told with what is found; and what is found."""
    kind, location, context = str(error["type"]), error["loc"], error.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        return None, str(error["msg"]).partition(", ")[2]
    if kind == "extra_forbidden":
        return f"one of {', '.join(_keys(model, location[:-1]))}", "this key is not known"
    if kind in {"missing", "union_tag_not_found"}:
        return f"the key `{str(context.get('discriminator', location[-1])).strip(_QUOTES)}`", "the key is missing"
    return _wanted(kind, context) or _of_message(str(error["msg"])), _shown(error["input"])


def _meant(error: Mapping[str, Any], model: type[BaseModel]) -> str | None:
    """The question for the key or the word that was probably meant; what a model says itself is told with its words."""
    kind, location, context = str(error["type"]), error["loc"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return did_you_mean(location[-1], _keys(model, location[:-1]))
    if kind in _OF_WORDS:
        return did_you_mean(context.get("tag", error["input"]), _QUOTED.findall(_choice(context)))
    return None


def _choice(context: Mapping[str, Any]) -> str:
    """The words that may stand at a place, in quotes."""
    return str(context.get("expected") or context["expected_tags"])


def _wanted(kind: str, context: Mapping[str, Any]) -> str | None:
    """The values that may stand at a place; null where pydantic's message says it."""
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {context[bound]:g}"
    if kind in _OF_WORDS:
        return f"one of its words: {_choice(context)}"
    return "a truth value: true or false" if kind.startswith("bool") else None


def _of_message(message: str) -> str:
    return message.removeprefix("Input should be ").partition(", ")[0]


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return str(value)[:_LONGEST]


def _keys(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that may stand at a place: those of the models there, of which there are several in a union."""
    models = [model]
    for step in location:
        below = [
            part
            for each in models
            if step in each.model_fields
            for part in _inner(each.model_fields[str(step)].annotation)
            if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        of_kind = [each for each in models if step in _kinds(each)]
        models = below or of_kind or models
    return sorted({name for each in models for name in each.model_fields})


def _kinds(model: type[BaseModel]) -> set[Any]:
    """The words by which a model is told from others of its union."""
    return {
        word
        for field in model.model_fields.values()
        if get_origin(field.annotation) is Literal
        for word in get_args(field.annotation)
    }


def _inner(annotation: Any) -> Iterator[Any]:
    """All types that a type is made of."""
    parts = get_args(annotation)
    if not parts:
        yield annotation
    for part in parts:
        yield from _inner(part)
