"""The file that lineage events are appended to, read as an outbox: whole lines, and how far a shipper has come.

Tasks only append, so nothing that ships can hold one up. The position is kept beside the file; it names the file by
its inode and by its first bytes, so that a file that was removed and made anew is read from its beginning.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from groundwork.model.errors import ConfigError, SkippableError

OUTBOX = Path("lineage") / "openlineage.ndjson"  # below the folder for local state
_HEAD_BYTES = 256


@dataclass(frozen=True, kw_only=True)
class Position:
    """Everything before byte `offset` of the file `inode` was shipped or put aside; both are counted in events."""

    inode: int = 0
    head: str = ""
    head_bytes: int = 0
    offset: int = 0
    shipped: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One whole line with the offset behind it; `event` is null when it is no JSON object."""

    text: bytes
    end: int
    event: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """The file with its position, its refused events and its lock beside it."""

    path: Path

    @classmethod
    def of(cls, home: Path) -> Outbox:
        """The outbox of a deployment's state folder."""
        return cls(path=home / OUTBOX)

    @property
    def refused(self) -> Path:
        """File of the events that the backend did not want, one JSON object per line with the reason."""
        return self.path.with_name("refused.ndjson")

    @property
    def _position(self) -> Path:
        return self.path.with_name("shipped.json")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one that ships. Raises: SkippableError when another is at it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name("ship.lock").open("w", encoding="utf-8") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SkippableError("another process is shipping lineage", where=str(self.path)) from error
            yield

    def position(self) -> Position:
        """How far it was shipped; the beginning when the file is another than it was.

        Raises: ConfigError when the kept position does not read.
        """
        try:
            kept = Position(**json.loads(self._position.read_text(encoding="utf-8")))
        except FileNotFoundError:
            kept = Position()
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                "how far lineage was shipped does not read",
                where=str(self._position),
                found=f"{type(error).__name__}: {error}",
                next_step=f"rm {self._position}; everything is shipped again, which backends bear",
            ) from error
        return kept if self._is_of(kept) else Position(shipped=kept.shipped, refused=kept.refused)

    def keep(self, position: Position) -> None:
        """Write the position down, in one step and for good."""
        draft = self._position.with_name(f"{self._position.name}.{os.getpid()}.new")
        with draft.open("w", encoding="utf-8") as sink:
            json.dump(asdict(position), sink)
            sink.flush()
            os.fsync(sink.fileno())
        draft.replace(self._position)

    def lines(self, position: Position) -> Iterator[tuple[Line, Position]]:
        """Each whole line behind a position with the position behind it; a line still being written is left."""
        if not self.path.exists():
            return
        with self.path.open("rb") as source:
            inode = os.fstat(source.fileno()).st_ino
            head = source.read(_HEAD_BYTES)
            begin = replace(position, inode=inode, head=hashlib.sha256(head).hexdigest(), head_bytes=len(head))
            source.seek(position.offset)
            while (text := source.readline()).endswith(b"\n"):
                line = Line(text=text.rstrip(b"\n"), end=source.tell(), event=_event(text))
                yield line, replace(begin, offset=line.end)

    def put_aside(self, line: Line, reason: str) -> None:
        """Keep an event that the backend will never take, or a line that is none, with the reason."""
        kept = {"reason": reason, "event": line.event}
        if line.event is None:
            kept["line"] = line.text.decode("utf-8", "replace")
        with self.refused.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps(kept, ensure_ascii=False) + "\n")

    def waiting(self) -> int:
        """Events that are written and not shipped."""
        return sum(1 for _ in self.lines(self.position()))

    def _is_of(self, position: Position) -> bool:
        try:
            with self.path.open("rb") as source:
                facts = os.fstat(source.fileno())
                head = hashlib.sha256(source.read(position.head_bytes)).hexdigest()
        except FileNotFoundError:
            return False
        return facts.st_ino == position.inode and facts.st_size >= position.offset and head == position.head


def _event(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
