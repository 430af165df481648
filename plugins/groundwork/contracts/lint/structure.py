"""The standard's own JSON Schema as a rule, with its errors said plainly.

Source: `schema.json` of the package `open_data_contract_standard` (Draft 2019-09). A property that the schema knows
in some form is not reported as unknown only because another mistake kept that form from matching.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from groundwork.contracts.document import Document
from groundwork.contracts.lint.subject import Problem

_UNKNOWN_KEYWORDS = ("unevaluatedProperties", "additionalProperties")
_CHOICE_KEYWORDS = ("anyOf", "oneOf")
_APPLICATORS = ("allOf", "anyOf", "oneOf")
_LONGEST_MESSAGE = 200


def structure_problems(document: Document) -> Iterator[Problem]:
    """Every place where `document` is not what the standard allows, each once."""
    seen = set()
    for error in _validator().iter_errors(document.data):
        if _is_vacuous(error):
            continue
        for pointer, message, fix in _explained(_deepest(error)):
            if (pointer, message) not in seen:
                seen.add((pointer, message))
                yield Problem(document=document, pointer=pointer, message=message, fix=fix)


@cache
def _validator() -> Any:
    from jsonschema import Draft201909Validator

    return Draft201909Validator(_schema())


@cache
def _schema() -> dict[str, Any]:
    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _is_vacuous(error: Any) -> bool:
    """Whether the schema asks for what only one logical type has, of a column that has none: `if` holds for absence."""
    return "then" in error.schema_path and isinstance(error.instance, Mapping) and "logicalType" not in error.instance


def _deepest(error: Any) -> Any:
    """Of the alternatives that all failed, the failure that got furthest; else the error itself."""
    while error.validator in _CHOICE_KEYWORDS and error.context:
        deepest = max(error.context, key=lambda item: len(item.absolute_path))
        if len(deepest.absolute_path) == len(error.absolute_path):
            return error
        error = deepest
    return error


def _explained(error: Any) -> Iterator[tuple[str, str, str]]:
    pointer = "".join(f"/{_escaped(step)}" for step in error.absolute_path)
    if error.validator in _UNKNOWN_KEYWORDS:
        yield from _unknown(error, pointer)
    elif error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        for name in missing:
            yield pointer, f"`{name}` is missing", f"add `{name}:`"
    elif error.validator == "enum":
        allowed = [str(value) for value in error.validator_value]
        close = difflib.get_close_matches(str(error.instance), allowed, n=1)
        hint = f"write `{close[0]}`" if close else f"write one of {', '.join(allowed)}"
        yield pointer, f"`{error.instance}` is not one of {', '.join(allowed)}", hint
    elif error.validator == "type":
        yield pointer, f"this must be of type {error.validator_value}", f"write a value of type {error.validator_value}"
    elif error.validator in _CHOICE_KEYWORDS:
        names = sorted({name for branch in error.validator_value for name in branch.get("required", ())})
        hint = f"use exactly one of {', '.join(names)}" if names else "see the standard's description of this field"
        yield pointer, "this has none of the forms that the standard allows here", hint
    else:
        yield pointer, error.message[:_LONGEST_MESSAGE], "correct the value as the message says"


def _unknown(error: Any, pointer: str) -> Iterator[tuple[str, str, str]]:
    known = sorted(_property_names(error.schema))
    for name in error.instance:
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"write `{close[0]}`" if close else "remove it, or move it into `customProperties`"
        yield f"{pointer}/{_escaped(name)}", f"the standard knows no `{name}` here", hint


def _property_names(schema: object) -> set[str]:
    """Every property name that `schema` or a part it is put together from speaks of."""
    if not isinstance(schema, Mapping):
        return set()
    names = set(schema.get("properties", ()))
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/"):
        names |= _property_names(_schema()["$defs"][reference.removeprefix("#/$defs/")])
    for keyword in _APPLICATORS:
        for branch in schema.get(keyword, ()):
            names |= _property_names(branch)
    for keyword in ("then", "else"):
        names |= _property_names(schema.get(keyword))
    return names


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
