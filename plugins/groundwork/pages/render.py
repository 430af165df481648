"""From view values to HTML and JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markupsafe import Markup

from groundwork.orbt.health.series import amount
from groundwork.pages import charts, words
from groundwork.store.base import utc_now

_FILTERS = ("moment", "duration", "span", "count", "share", "size", "title", "lower_first", "prose")
_TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, *, base: str, now: datetime | None = None, **values: Any) -> str:
    """The HTML of one page; `base` is the path below which the pages are mounted, without a slash at its end."""
    airflow = base.rsplit("/", 1)[0]
    return environment().get_template(template).render(base=base, airflow=airflow, now=now or utc_now(), **values)


def markdown(text: str) -> Markup:
    """Markdown as HTML: tables allowed, raw HTML shown as text, links only to http, https and mailto."""
    return Markup(_markdown().render(text))  # noqa: S704  the parser escapes: raw HTML is off


def as_json(value: Any) -> Any:
    """Plain values of a view, for the JSON twin; times stay for the encoder."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(entry) for entry in value]
    return value


@cache
def environment() -> Environment:
    """The template environment: everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {name: getattr(words, name) for name in _FILTERS}
    made.filters.update(filters, markdown=markdown)
    # `title` and `count` of Jinja are replaced on purpose: a count here is a number, a title a name of the vocabulary.
    made.globals.update(
        interval_bar=charts.interval_bar,
        sparkline=charts.sparkline,
        grade=charts.grade,
        counts_line=charts.counts_line,
        trend_line=charts.trend_line,
        value_line=charts.value_line,
        amount=amount,
    )
    return made


@cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.core.ruler.push("classes_for_styles", _align_by_class)
    return made


def _align_by_class(state: StateCore) -> None:
    """Aligned cells get a class: the pages' security policy refuses the inline style that the parser gives them."""
    for token in state.tokens:
        style = str(token.attrs.pop("style", ""))
        if style == "text-align:right":
            token.attrSet("class", "figure")
