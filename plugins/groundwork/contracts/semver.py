"""Semantic versions of contracts: what a version says, and how far one is from another.

Read leniently, as people write them (`1.2`, `v1.2.0`, `2.0.0-rc.1`); compared by the rules of the specification.
Before 1.0.0 a minor step may break, as the specification leaves everything open there.
Source: Semantic Versioning 2.0.0, items 2 to 11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering

_FORM = re.compile(
    r"v?(?P<major>0|[1-9]\d{0,17})(?:\.(?P<minor>0|[1-9]\d{0,17}))?(?:\.(?P<patch>0|[1-9]\d{0,17}))?"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)


class Bump(StrEnum):
    """Which part of a version has to be raised, from least to most."""

    NONE = "none"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"

    @property
    def rank(self) -> int:
        """0 for none up to 3 for major."""
        return list(Bump).index(self)

    def covers(self, due: Bump) -> bool:
        """Whether raising this part is enough where raising `due` is asked."""
        return self.rank >= due.rank


@total_ordering
@dataclass(frozen=True, kw_only=True)
class Version:
    """A parsed version; `pre` holds the parts of a pre-release, empty for a release."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        parts = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in self.pre)
        return (self.major, self.minor, self.patch), not self.pre, parts

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        return f"{text}-{'.'.join(self.pre)}" if self.pre else text

    def raised(self, bump: Bump) -> Version:
        """The smallest release that announces `bump` after this one.

        >>> str(Version(major=1, minor=2, patch=3).raised(Bump.MINOR)), str(
        ...     Version(major=0, minor=4, patch=0).raised(Bump.MAJOR)
        ... )
        ('1.3.0', '0.5.0')
        """
        if bump is Bump.NONE:
            return self
        if bump is Bump.PATCH:
            return Version(major=self.major, minor=self.minor, patch=self.patch + 1)
        if bump is Bump.MAJOR and self.major > 0:
            return Version(major=self.major + 1, minor=0, patch=0)
        return Version(major=self.major, minor=self.minor + 1, patch=0)


def parse_version(text: str) -> Version | None:
    """The version that `text` says, null when it is no semantic version (a date, a word).

    >>> str(parse_version("v1.2")), parse_version("2024-Q1")
    ('1.2.0', None)
    """
    found = _FORM.fullmatch(text.strip())
    if not found or (found["pre"] and not found["patch"]):
        return None  # `2024-Q1` is a quarter, not a pre-release
    major, minor, patch = (int(found[part] or 0) for part in ("major", "minor", "patch"))
    return Version(
        major=major, minor=minor, patch=patch, pre=tuple((found["pre"] or "").split(".")) if found["pre"] else ()
    )


def bump_between(old: Version, new: Version) -> Bump:
    """What raising `old` to `new` announces; none when `new` is not later.

    From 0.y a minor step announces as much as a major one.
    """
    if new <= old:
        return Bump.NONE
    if new.major > old.major:
        return Bump.MAJOR
    if new.minor > old.minor:
        return Bump.MAJOR if old.major == 0 else Bump.MINOR
    return Bump.PATCH
