"""A report's Markdown as an HTML document of its own: for mail, where there is no style sheet."""

from __future__ import annotations

from functools import cache
from html import escape

from markdown_it import MarkdownIt

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1c2733}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;border-bottom:1px solid #d5dde5;padding-bottom:.2rem;margin-top:1.8rem}"
    "table{border-collapse:collapse;margin:.6rem 0}td,th{padding:.25rem 1.2rem .25rem 0;text-align:left;"
    "border-bottom:1px solid #e4e9ee}code{background:#f0f3f6;padding:0 .25rem;border-radius:3px}"
)


def to_html(markdown: str, title: str) -> str:
    """A whole document; raw HTML in the Markdown is shown as text, and links lead only to http, https and mailto."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{_parser().render(markdown)}</body></html>\n"
    )


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
