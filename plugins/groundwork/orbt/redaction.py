"""Takes secrets and data values out of an error text before it is stored, shown or sent anywhere.

Secrets: passwords in connection strings, in SQL, in `name=value` pairs and in options of a command, tokens and cookies
of HTTP, signatures of signed addresses, private keys, keys of known services. Data values: what PostgreSQL, MySQL,
SQLAlchemy, pydantic and Python quote of rows, parameters and statements. What is cut is marked, so that a reader knows
something stood there.
"""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL keeps neither NUL nor half a character
_READ_LIMIT = 20_000  # characters looked at: drivers quote whole rows, and patterns cost time
LIMIT = 2000  # characters kept of a message; more helps nobody and fills the store
_SECRET = "***"  # noqa: S105  the mark, not a secret
_VALUES = "(values withheld)"
_QUOTED = r"'(?:[^'\\]|\\.)*'?|\"(?:[^\"\\]|\\.)*\"?"  # also one that is cut off
_NAMES_OF_SECRETS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|auth(?:orization)?|"
    r"credential|private[_-]?key|session[_-]?id"
)
_KEYS_OF_SERVICES = (
    r"\bsk-[A-Za-z0-9_-]{8,}",
    r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bglpat-[A-Za-z0-9_-]{10,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"\bSG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\beyJ[\w-]+\.[\w-]+\.[\w-]*",  # a JSON web token
    r"\bAIza[\w-]{30,}",
)
_VALUES_BEFORE = (  # what is told before a value in quotes
    r"could not convert (?:string|value)[^'\"\n]{0,40}?",
    r"invalid literal for [^'\"\n]{0,40}?",
    r"invalid isoformat string:\s*",
    r"time data\s+",
    r"duplicate entry\s+",
    r"(?:incorrect|truncated incorrect) [^'\"\n]{0,40}?value:?\s*",
    r"input_value=",
)
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _SECRET),
    (re.compile(r"(\b[a-z][a-z0-9+.\-]{0,30}://[^\s:/@]*):\S+@", re.IGNORECASE), rf"\1:{_SECRET}@"),
    (re.compile(r"(\bhooks\.slack\.com/)[^\s'\"]+", re.IGNORECASE), rf"\1{_SECRET}"),
    (re.compile(r"((?:[?&;]|\bx-amz-)(?:sig|signature|credential|security-token)=)[^\s&'\"]+", re.I), rf"\1{_SECRET}"),
    (re.compile(r"\b((?:set-)?cookie[\"']?\s*[:=]\s*)[^\n]+", re.IGNORECASE), rf"\1{_SECRET}"),
    (
        re.compile(
            r"(\bauthorization[\"']?\s*[:=]\s*[\"']?)(?:(?:basic|bearer|digest|negotiate|token|apikey)\s+)?[^\s\"',}]+",
            re.IGNORECASE,
        ),
        rf"\1{_SECRET}",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE), rf"\1 {_SECRET}"),
    (re.compile(rf"(?i)\b(password|identified by)(\s+)(?:{_QUOTED})"), rf"\1\2{_SECRET}"),
    (re.compile(rf"(?i)((?<!\S)--?[\w-]{{0,40}}?(?:{_NAMES_OF_SECRETS}))\s+(?!-)[^\s]+"), rf"\1 {_SECRET}"),
    (
        re.compile(
            rf"(?i)((?<![\w-])[\"']?[\w-]{{0,40}}?(?:{_NAMES_OF_SECRETS})[\w-]{{0,40}}[\"']?\s*[=:]\s*)(?:{_QUOTED}|[^\s,;&)}}\]]+)"
        ),
        rf"\1{_SECRET}",
    ),
    (re.compile("|".join(_KEYS_OF_SERVICES)), _SECRET),
)
_ROWS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(Key \([^)]*\)=)\(.*?\)(?=\s+(?:already|is|conflicts|violates)|\.|$)", re.MULTILINE),
        rf"\1{_VALUES}",
    ),
    (re.compile(r"(Failing row contains ).*", re.IGNORECASE), rf"\1{_VALUES}"),
    (re.compile(r"(CONTEXT:\s+COPY [^:\n]*:).*"), rf"\1 {_VALUES}"),
    (re.compile(r"(invalid input (?:syntax|value) for [^:\n]*: ).*"), rf"\1{_VALUES}"),
    (re.compile(r"(\[parameters: ).*?\]\s*(?=\n|\(Background|$)", re.DOTALL), rf"\1{_VALUES}]"),
    (re.compile(rf"(?i)({'|'.join(_VALUES_BEFORE)})(?:{_QUOTED})"), rf"\1{_VALUES}"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "(address withheld)"),
)
_STATEMENTS = re.compile(r"^LINE \d+: [^\n]*|\[SQL: .*?(?:\](?=\s*$)|\Z)", re.MULTILINE | re.DOTALL)
_LITERAL = re.compile(r"(?<!\w)'(?:[^']|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\1\$|$)", re.DOTALL)


def redact(text: str) -> str:
    """`text` without secrets, row values and what no database keeps, cut to `LIMIT` characters.

    >>> redact("could not connect to postgresql://app:hunter2@db/x")
    'could not connect to postgresql://app:***@db/x'
    """
    text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:_READ_LIMIT])
    for pattern, replacement in (*_SECRETS, *_ROWS):
        text = pattern.sub(replacement, text)
    text = _STATEMENTS.sub(_without_literals, text)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def _without_literals(statement: re.Match[str]) -> str:
    return _LITERAL.sub("'…'", statement[0])
