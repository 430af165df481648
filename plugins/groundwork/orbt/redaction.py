"""Takes secrets and data values out of an error text before it is stored, shown or sent anywhere.

Secrets: passwords in connection strings and `name=value` pairs, bearer tokens, private keys, keys of known services.
Data values: PostgreSQL's DETAIL and CONTEXT lines quote rows, SQLAlchemy quotes parameters. What is cut is marked, so
that a reader knows something stood there.
"""

from __future__ import annotations

import re

_READ_LIMIT = 20_000  # characters looked at: drivers quote whole rows, and patterns cost time
LIMIT = 2000  # characters kept of a message; more helps nobody and fills the store
_SECRET = "***"  # noqa: S105  the mark, not a secret
_VALUES = "(values withheld)"
_NAMES_OF_SECRETS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|auth(?:orization)?|credential|private[_-]?key"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _SECRET),
    (re.compile(r"(\b[a-z][a-z0-9+.\-]{0,30}://[^\s:/@]*):\S+@", re.IGNORECASE), rf"\1:{_SECRET}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE), rf"\1 {_SECRET}"),
    (
        re.compile(
            rf"(?i)((?<![\w-])[\"']?[\w-]{{0,40}}?(?:{_NAMES_OF_SECRETS})[\w-]{{0,40}}[\"']?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;&)}}\]]+)"
        ),
        rf"\1{_SECRET}",
    ),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|\bghp_[A-Za-z0-9]{20,}|\bxox[abp]-[A-Za-z0-9-]{10,}"), _SECRET),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b|\beyJ[\w-]+\.[\w-]+\.[\w-]*"), _SECRET),
    (
        re.compile(r"(Key \([^)]*\)=)\(.*?\)(?=\s+(?:already|is|conflicts|violates)|\.|$)", re.MULTILINE),
        rf"\1{_VALUES}",
    ),
    (re.compile(r"(Failing row contains ).*", re.IGNORECASE), rf"\1{_VALUES}"),
    (re.compile(r"(CONTEXT:\s+COPY [^:\n]*:).*"), rf"\1 {_VALUES}"),
    (re.compile(r"(invalid input (?:syntax|value) for [^:\n]*: ).*"), rf"\1{_VALUES}"),
    (re.compile(r"(\[parameters: ).*?\]\s*(?=\n|\(Background|$)", re.DOTALL), rf"\1{_VALUES}]"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "(address withheld)"),
)


def redact(text: str) -> str:
    """`text` without secrets and row values, cut to `LIMIT` characters.

    >>> redact("could not connect to postgresql://app:hunter2@db/x")
    'could not connect to postgresql://app:***@db/x'
    """
    text = text[:_READ_LIMIT]
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"
