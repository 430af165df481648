"""Statements as the driver's text, kept by what they depend on; safe to use from several threads."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import psycopg as dialect

from groundwork.access.relation import Relation

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A statement's text, and the values in it that are the same for every request."""

    text: str
    constants: Mapping[str, object]


class StatementCache:
    """The least recently used statement goes when there are more than `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._texts: weakref.WeakKeyDictionary[Relation, OrderedDict[object, Prepared]] = weakref.WeakKeyDictionary()

    def prepared(self, relation: Relation, access: str, shape: object, build: Callable[[], Select[Any]]) -> Prepared:
        """The statement of this shape on this relation; `access` tells owner and roles apart."""
        with self._lock:
            known = self._texts.setdefault(relation, OrderedDict())
            found = known.get((access, shape))
            if found is not None:
                known.move_to_end((access, shape))
                return found
        compiled = build().compile(dialect=_DIALECT)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        made = Prepared(text=str(compiled), constants=constants)
        with self._lock:
            known[access, shape] = made
            while len(known) > self._most:
                known.popitem(last=False)
        return made
