"""Makes the changes of findings that can be right in one way only, and tells what remains.

Each file is changed in memory until nothing more can be done, and then replaced at once; an interrupted run leaves
every file as it was or as it shall be. What is not changed stays as a person wrote it.
"""

from __future__ import annotations

import difflib
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundwork.contracts.edits import ReplaceText
from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.run import Judged, findings_of, judged
from groundwork.contracts.lint.yaml_text import Source, parse_leniently, read_leniently
from groundwork.contracts.text_edit import edited
from groundwork.contracts.yaml_tree import YamlError
from groundwork.model.errors import ConfigError
from groundwork.whole_file import write_whole

_MOST_ROUNDS = 12  # a fix may make another possible: an index needs the list of indexes that came before it
_MARK = "\ufeff"


@dataclass(frozen=True, kw_only=True)
class FixedFile:
    """A file with its text before and after; `fixes` counts the changes."""

    path: Path
    before: str
    after: str
    fixes: int

    @property
    def diff(self) -> str:
        """What changes, as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), str(self.path), str(self.path)
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@dataclass(frozen=True, kw_only=True)
class Fixes:
    """What was changed, in order of file, and every finding that remains."""

    files: tuple[FixedFile, ...]
    findings: tuple[Finding, ...]


def fix_files(paths: Sequence[Path], *, domain: str | None = None, is_dry_run: bool = False) -> Fixes:
    """Change the files, which are taken as one domain, where only one thing can be right; a dry run changes none.

    A second run finds nothing to do.

    Raises: ConfigError when a file cannot be written or was changed by somebody else meanwhile.
    """
    first = [read_leniently(path) for path in paths]
    sources, counts = list(first), dict.fromkeys(range(len(first)), 0)
    found = judged(sources, domain=domain)
    for _ in range(_MOST_ROUNDS):
        made = _round(sources, found, counts)
        if not made:
            break
        found = judged(sources, domain=domain)
    files = tuple(
        FixedFile(path=old.path, before=old.text, after=new.text, fixes=counts[position])
        for position, (old, new) in enumerate(zip(first, sources, strict=True))
        if old.text is not None and new.text is not None and old.text != new.text
    )
    if not is_dry_run:
        for file in files:
            _replace(file)
    return Fixes(files=files, findings=tuple(findings_of(found)))


def _round(sources: list[Source], found: Iterable[Judged], counts: dict[int, int]) -> int:
    """Make in `sources` every change that can be made now; how many that are."""
    wanted: dict[str, list[Judged]] = {}
    for each in found:
        if each.problem.edit is not None:
            wanted.setdefault(str(each.problem.document.path), []).append(each)
    made = 0
    for position, source in enumerate(sources):
        here = wanted.get(str(source.path))
        if here and source.text is not None:
            text, count = _changed(source.text, here)
            if text != source.text:
                sources[position] = parse_leniently(text, source.path)
                counts[position] += count
                made += count
    return made


def _changed(text: str, found: Sequence[Judged]) -> tuple[str, int]:
    edits = [each.problem.edit for each in found if each.problem.edit is not None]
    whole = next((edit for edit in edits if isinstance(edit, ReplaceText)), None)
    if whole is not None:
        return whole.text, 1
    mark = _MARK if text.startswith(_MARK) else ""
    try:
        better, done = edited(text.removeprefix(_MARK), [edit for edit in edits if not isinstance(edit, ReplaceText)])
    except YamlError:
        return text, 0
    return mark + better, len(done)


def _replace(file: FixedFile) -> None:
    """Put the new text where the file is (where a link leads), all at once and with the same permissions."""
    place = file.path.resolve()
    try:
        if place.read_bytes() != file.before.encode():
            raise ConfigError(
                "somebody changed the contract meanwhile", where=str(file.path), next_step="run the command again"
            )
        write_whole(place, file.after, mode=stat.S_IMODE(place.stat().st_mode))
    except OSError as error:
        raise ConfigError("cannot write the contract file", where=str(file.path), found=error) from error
