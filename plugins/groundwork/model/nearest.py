"""Which known word somebody probably meant: keys, names and options that are refused name the nearest one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from groundwork.model.errors import ConfigError

_LONGEST = 100  # letters that are compared: the time grows with their square
_CLOSE = 0.65  # of difflib's ratio: below it the words have little more in common than letters


def nearest(written: object, known: Iterable[str]) -> str | None:
    """The known word that is most like what is written, whatever its case; null when none is.

    >>> nearest("ask_after_opening", ["threshold", "ask_after_openings"])
    'ask_after_openings'
    >>> nearest("Nonsense", ["threshold"])
    """
    by_folded = {word.casefold(): word for word in known}
    found = get_close_matches(str(written).casefold()[:_LONGEST], by_folded, n=1, cutoff=_CLOSE)
    return by_folded[found[0]] if found else None


def did_you_mean(written: object, known: Iterable[str]) -> str | None:
    """The question that names the nearest known word; null when nothing is near.

    >>> did_you_mean("hihg", ["low", "medium", "high"])
    'did you mean `high`?'
    """
    found = nearest(written, known)
    return f"did you mean `{found}`?" if found else None


def asked_first(written: object, known: Iterable[str], then: str) -> str:
    """What to do next, after the question that names the nearest known word, where one is near.

    >>> asked_first("hihg", ["low", "high"], "use one of the words")
    'did you mean `high`? use one of the words'
    """
    return " ".join(filter(None, [did_you_mean(written, known), then]))


def unknown_word(what: str, written: str, known: Collection[str], *, where: str) -> ConfigError:
    """The refusal of a word that is not among those known, with the nearest one."""
    return ConfigError(
        what, where=where, expected=", ".join(known), found=written, next_step=did_you_mean(written, known)
    )
