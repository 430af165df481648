"""What a request asks for: query, key, version and body, each read strictly.

An unknown parameter is refused rather than ignored: a misspelt filter would otherwise return every row.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request

from groundwork.access.api.problem import ProblemError
from groundwork.access.errors import InvalidQueryError
from groundwork.access.query import DEFAULT_LIMIT, Filter, ListQuery, operators_of
from groundwork.access.relation import Relation

LARGEST_BODY_BYTES = 1_048_576
PAGE_PARAMETERS = ("limit", "cursor", "order", "fields")
PREFIX = "/api/v1"


def list_query(relation: Relation, parameters: Sequence[tuple[str, str]]) -> ListQuery:
    """The page that the parameters of a URL ask for.

    `column=value` and `column__operator=value` filter; `limit`, `cursor`, `order` and `fields` are the page's own.
    Raises: InvalidQueryError naming the parameter.
    """
    page: dict[str, str] = {}
    filters = []
    for name, text in parameters:
        if name in PAGE_PARAMETERS:
            if name in page:
                raise _refused(name, "the parameter once", "it twice")
            page[name] = text
        else:
            filters.append(_filter(relation, name, text))
    if len({(each.column, each.operator) for each in filters}) < len(filters):
        raise _refused("the filters", "each filter once", "a filter twice", "use `__in` for several values")
    return ListQuery(
        filters=tuple(filters),
        order=_names(page.get("order")) or (),
        limit=_limit(page.get("limit")),
        cursor=page.get("cursor"),
        fields=fields(page.get("fields")),
    )


def fields(text: str | None) -> tuple[str, ...] | None:
    """The columns to show; null for all."""
    return _names(text)


def row_key(relation: Relation, request: Request) -> dict[str, object]:
    """The key in the URL's last segment: its values in key order, with commas between them.

    Read from the raw path, where a comma or slash inside a value is still told apart by its percent-encoding.
    Raises: InvalidQueryError.
    """
    raw = bytes(request.scope.get("raw_path") or request.scope["path"].encode()).partition(b"?")[0]
    root = request.scope.get("root_path", "").encode()
    segment = raw.removeprefix(root).split(b"/", 5)[5]
    parts = segment.split(b",") if len(relation.key) > 1 else [segment]
    try:
        texts = [unquote_to_bytes(part).decode() for part in parts]
    except UnicodeDecodeError:
        raise _refused("the key", "UTF-8", "other bytes") from None
    return relation.key_from_texts(texts)


def only_fields(parameters: Sequence[tuple[str, str]]) -> tuple[str, ...] | None:
    """`fields`, the one parameter that a single row takes; raises InvalidQueryError for others."""
    found = [text for name, text in parameters if name == "fields"]
    others = [name for name, _ in parameters if name != "fields"]
    if others or len(found) > 1:
        raise _refused((others or ["fields"])[0], "the parameter `fields`, once", "something else")
    return fields(found[0]) if found else None


def no_parameters(parameters: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidQueryError when there are any."""
    if parameters:
        raise _refused(parameters[0][0], "no parameters", "one")


def expected_version(request: Request) -> str | None:
    """The version in `If-Match`; null for `*`, which means any.

    Raises: ProblemError 428 when the header is missing, 412 when it cannot be the version of a row.
    """
    header = request.headers.get("if-match")
    if header is None:
        raise ProblemError(
            428,
            "version-required",
            "a change must name the version of the row that it changes",
            expected='the header If-Match with the row\'s ETag, such as If-Match: "1712000000000000"',
            found="no If-Match",
            next_step="GET the row, then send its ETag",
        )
    text = header.strip()
    if text == "*":
        return None
    if len(text) > 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        return text[1:-1]
    raise ProblemError(
        412,
        "row-changed",
        "this is not the version of a row",
        expected="one ETag in quotes, or *",
        found=text[:100],
        next_step="GET the row, then send its ETag as it is",
    )


async def json_object(request: Request) -> dict[str, Any]:
    """The body as one JSON object; numbers with a point are exact decimals.

    Raises: ProblemError 415 for another media type, 413 for more than a mebibyte, 400 for anything but one object.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            415,
            "unsupported-media-type",
            "the body is not JSON",
            expected="application/json",
            found=media_type or "none",
        )
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY_BYTES:
            raise ProblemError(
                413, "body-too-large", "the body is too large", expected=f"at most {LARGEST_BODY_BYTES} bytes"
            )
        chunks.append(chunk)
    return _object(b"".join(chunks))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(
            body.decode(), parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        reason = str(error)[:200] if isinstance(error, ValueError) else type(error).__name__
        raise ProblemError(
            400, "broken-json", "the body is not JSON that this service reads", expected="one JSON object", found=reason
        ) from None
    if not isinstance(found, dict):
        raise ProblemError(
            422, "invalid-row", "the body is not one row", expected="a JSON object", found=f"a {type(found).__name__}"
        )
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _filter(relation: Relation, name: str, text: str) -> Filter:
    column, separator, operator = name.rpartition("__")
    if name in relation.types or not separator:
        column, operator = name, "eq"
    if column not in relation.types:
        known = [*PAGE_PARAMETERS, *relation.types]
        close = difflib.get_close_matches(name[:100], known, n=1)
        advice = f"did you mean `{close[0]}`?" if close else "leave it out"
        raise _refused(name, f"one of {', '.join(known)}, a column with __ and an operator", "an unknown name", advice)
    operators = operators_of(relation.types[column])
    if operator not in operators:
        raise _refused(name, f"an operator of {', '.join(operators)}", operator)
    if operator == "is_null":
        if text not in ("true", "false"):
            raise _refused(name, "true or false", text)
        return Filter(column=column, operator=operator, value=text == "true")
    if operator == "in":
        values = [relation.from_text(column, part) for part in text.split(",")]
        return Filter(column=column, operator=operator, value=values)
    if operator == "search":
        return Filter(column=column, operator=operator, value=text.replace("\x00", " "))
    return Filter(column=column, operator=operator, value=relation.from_text(column, text))


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise _refused("limit", "a whole number", text)
    return int(text)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _refused(where: str, expected: str, found: str, next_step: str = "correct the request") -> InvalidQueryError:
    return InvalidQueryError(
        "a parameter of the request cannot be read",
        where=where[:100],
        expected=expected,
        found=found[:100],
        next_step=next_step,
    )
