"""The standard's own JSON Schema as a rule, each contract judged by the version it says, with the errors said plainly.

A contract that is right costs one pass of a compiled validator; only one that is not is looked at again by the slower
validator that can explain. A property that the schema knows in some form is not reported as unknown only because
another mistake kept that form from matching.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from groundwork.contracts.document import Document
from groundwork.contracts.edits import AddEntry, Edit, RenameKey, SetValue, value_at
from groundwork.contracts.lint.excerpt import Excerpt, excerpt
from groundwork.contracts.lint.standard import NEWEST, PROPERTIES, VERSIONS, WORDS, came_with, part_of, schema_of
from groundwork.contracts.lint.subject import Problem
from groundwork.contracts.yaml_tree import escaped

_UNKNOWN_KEYWORDS = ("unevaluatedProperties", "additionalProperties")
_CHOICE_KEYWORDS = ("anyOf", "oneOf")
_APPLICATORS = ("allOf", "anyOf", "oneOf")
_ONLY = {"apiVersion": NEWEST, "kind": "DataContract"}  # what a contract that lacks them can only say
_CAME = "came with"
_CLOSE = 0.75  # of difflib's ratio: below it another word may have been meant
_LONGEST_MESSAGE = 200
_LONGEST_VALUE = 60  # characters of what stands there, in a message


@dataclass(frozen=True, kw_only=True)
class _Told:
    """One mistake in words; `edit` says what to change where only one thing can be right."""

    pointer: str
    message: str
    fix: str
    edit: Edit | None = None


def structure_problems(document: Document) -> Iterator[Problem]:
    """Every place where `document` is not what its version of the standard allows, each once."""
    for told in _told(document.data):
        yield Problem(
            document=document, pointer=told.pointer, message=told.message, fix=told.fix, edit=_possible(told, document)
        )


def _possible(told: _Told, document: Document) -> Edit | None:
    """The edit, null where what it would add or rename to is there already."""
    edit = told.edit
    if isinstance(edit, RenameKey):
        mapping = value_at(document.data, edit.pointer.rpartition("/")[0])
        return None if edit.name in mapping else edit
    return edit


def supported_version(data: Mapping[str, Any]) -> str | None:
    """The version a contract is judged by: its own, the newest when it says none, null when it is not supported."""
    said = data.get("apiVersion")
    if said is None or not isinstance(said, str):
        return NEWEST
    return said if said in VERSIONS else None


def _told(data: Mapping[str, Any]) -> list[_Told]:
    version = supported_version(data)
    if version is None:
        return [_unsupported(str(data["apiVersion"]))]
    if is_valid(data, version):
        return []
    short = excerpt(data, _wrong_paths(data, version))
    told = _errors(short, version) or _errors(short, version, tells_known=True)
    if version == NEWEST:
        return told
    later = _first_valid(data, version, {each.pointer for each in told if _CAME not in each.message})
    return [_with_version(each, version, later.get(each.pointer)) for each in told]


def _with_version(told: _Told, version: str, later: str | None) -> _Told:
    """As told, with the version that allows what stands there, if one does."""
    if later is None or _CAME in told.message:
        return told
    return replace(
        told,
        message=f"{told.message} in {version}; {later} allows what stands here",
        fix=f"{told.fix}, or write `apiVersion: {later}`",
        edit=None,
    )


def _unsupported(said: str) -> _Told:
    shown, supported = said[:_LONGEST_VALUE], ", ".join(VERSIONS)
    fix, edit = f"write `apiVersion: {NEWEST}`", None
    if said.removeprefix("v").startswith("2."):
        fix = f"bring the contract to version 3 and write `apiVersion: {NEWEST}`"
    elif f"v{said.strip().removeprefix('V')}" in VERSIONS:
        version = f"v{said.strip().removeprefix('V')}"
        fix, edit = f"write `apiVersion: {version}`", SetValue(pointer="/apiVersion", value=version)
    message = f"version `{shown}` of the standard is not supported; supported are {supported}"
    return _Told(pointer="/apiVersion", message=message, fix=fix, edit=edit)


def is_valid(data: Mapping[str, Any], version: str) -> bool:
    """Whether `data` is a contract of that version."""
    try:
        return bool(_compiled(version).is_valid(data))
    except ValueError:  # numbers that JSON has no word for
        return next(_explaining(version).iter_errors(data), None) is None


def _wrong_paths(data: Mapping[str, Any], version: str) -> list[Sequence[str | int]]:
    """Where the compiled validator sees mistakes; it is fast, and its words are not for people."""
    try:
        return [error.instance_path for error in _compiled(version).iter_errors(data)]
    except ValueError:
        return [error.absolute_path for error in _explaining(version).iter_errors(data)]


def _errors(short: Excerpt, version: str, *, tells_known: bool = False) -> list[_Told]:
    """What is wrong, each once, in the order in which the schema finds it.

    With `tells_known` also a property that the standard has, in a place where it means nothing.
    """
    found: dict[tuple[str, str], _Told] = {}
    try:
        for error in _explaining(version).iter_errors(short.data):
            for told in _plain(error, version, short, tells_known=tells_known):
                found.setdefault((told.pointer, told.message), told)
    except RecursionError:
        return [_Told(pointer="", message="this is nested too deeply to be judged", fix="make it flatter")]
    return list(found.values())


def _first_valid(data: Mapping[str, Any], version: str, pointers: set[str]) -> dict[str, str]:
    """For each place that a later version no longer complains of, the first such version."""
    found: dict[str, str] = {}
    if not pointers:
        return found
    paths = [[int(step) if step.isdigit() else step for step in pointer.split("/")[1:]] for pointer in pointers]
    short = excerpt(data, paths)
    for later in VERSIONS[VERSIONS.index(version) + 1 :]:
        still = {told.pointer for told in _errors(short, later)}
        for pointer in pointers - still:
            found.setdefault(pointer, later)
    return found


@cache
def _compiled(version: str) -> Any:
    from jsonschema_rs import Draft201909Validator

    return Draft201909Validator(schema_of(version))


@cache
def _explaining(version: str) -> Any:
    from jsonschema import Draft201909Validator

    return Draft201909Validator(schema_of(version))


def _deepest(error: Any) -> Any:
    """Of the alternatives that all failed, the failure that got furthest; else the error itself."""
    while error.validator in _CHOICE_KEYWORDS and error.context:
        deepest = max(error.context, key=lambda item: len(item.absolute_path))
        if len(deepest.absolute_path) == len(error.absolute_path):
            return error
        error = deepest
    return error


def _plain(error: Any, version: str, short: Excerpt, *, tells_known: bool) -> Iterator[_Told]:
    error = _deepest(error)
    pointer = "".join(f"/{escaped(step)}" for step in short.original(list(error.absolute_path)))
    if error.validator in _UNKNOWN_KEYWORDS:
        yield from _unknown(error, pointer, version)
        yield from _misplaced(error, pointer, version) if tells_known else ()
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                edit = AddEntry(pointer=pointer, key=name, value=_ONLY[name], is_first=True) if name in _ONLY else None
                yield _Told(pointer=pointer, message=f"`{name}` is missing", fix=f"add `{name}:`", edit=edit)
    elif error.validator == "enum":
        yield _not_a_word(error, pointer, version)
    else:
        message, fix = _other(error)
        yield _Told(pointer=pointer, message=message, fix=fix)


def _other(error: Any) -> tuple[str, str]:
    """Message and fix of a mistake that needs no more than words."""
    if error.validator == "type":
        wanted = error.validator_value
        kinds = " or ".join(wanted) if isinstance(wanted, list) else wanted
        return f"this must be of type {kinds}", f"write a value of type {kinds}"
    if error.validator in _CHOICE_KEYWORDS:
        names = sorted({name for branch in error.validator_value for name in branch.get("required", ())})
        hint = f"use exactly one of {', '.join(names)}" if names else "see the standard's description of this field"
        return "this has none of the forms that the standard allows here", hint
    return error.message[:_LONGEST_MESSAGE], "correct the value as the message says"


def _not_a_word(error: Any, pointer: str, version: str) -> _Told:
    allowed = [str(value) for value in error.validator_value]
    written = str(error.instance)[:_LONGEST_VALUE]
    later = came_with(written, WORDS, version)
    if later:
        return _came(pointer, written, later, version, "choose another word")
    message = f"`{written}` is not one of {', '.join(allowed)}"
    close = _closest(written, allowed)
    if close is None:
        return _Told(pointer=pointer, message=message, fix=f"write one of {', '.join(allowed)}")
    edit = SetValue(pointer=pointer, value=close)
    return _Told(pointer=pointer, message=message, fix=f"write `{close}`", edit=edit)


def _unknown(error: Any, pointer: str, version: str) -> Iterator[_Told]:
    known = sorted(_property_names(error.schema, version))
    for name in error.instance:
        if name in known:
            continue
        place, later = f"{pointer}/{escaped(name)}", came_with(name, PROPERTIES, version)
        if later:
            yield _came(place, name, later, version, "remove it")
            continue
        message, close = f"the standard knows no `{name[:_LONGEST_VALUE]}` here", _closest(name, known)
        if close is None:
            yield _Told(pointer=place, message=message, fix="remove it, or move it into `customProperties`")
        else:
            edit = RenameKey(pointer=place, name=close)
            yield _Told(pointer=place, message=message, fix=f"write `{close}`", edit=edit)


def _misplaced(error: Any, pointer: str, version: str) -> Iterator[_Told]:
    for name in sorted(_property_names(error.schema, version) & set(error.instance)):
        if name in error.message:
            yield _Told(
                pointer=f"{pointer}/{escaped(name)}",
                message=f"`{name}` means nothing here",
                fix="remove it, or correct the type that it belongs to",
            )


def _closest(written: str, known: Sequence[str]) -> str | None:
    """The one word that was meant: the same but for the case of letters, or nearly the same."""
    same = [word for word in known if word.casefold() == written.strip().casefold()]
    return next(iter(same or difflib.get_close_matches(written, known, n=1, cutoff=_CLOSE)), None)


def _came(pointer: str, name: str, later: str, version: str, otherwise: str) -> _Told:
    message = f"`{name}` {_CAME} {later}; this contract says {version}"
    return _Told(pointer=pointer, message=message, fix=f"write `apiVersion: {later}`, or {otherwise}")


def _property_names(schema: object, version: str) -> set[str]:
    """Every property name that `schema` or a part it is put together from speaks of."""
    if not isinstance(schema, Mapping):
        return set()
    names = set(schema.get("properties", ()))
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/"):
        names |= _property_names(part_of(schema_of(version), reference.removeprefix("#/$defs/")), version)
    for keyword in _APPLICATORS:
        for branch in schema.get(keyword, ()):
            names |= _property_names(branch, version)
    for keyword in ("then", "else"):
        names |= _property_names(schema.get(keyword), version)
    return names
