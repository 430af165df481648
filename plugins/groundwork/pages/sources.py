"""Where the pages read from, and how a failed read becomes words.

Each block of a page is read by itself: what goes wrong in one is told there and leaves the others alone. A database
that does not answer is asked once per page, not once per block.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from groundwork.model.errors import GroundworkError
from groundwork.pages.block import Block, Problem
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION
from groundwork.store.foundation import FOUNDATION_RUN

log = logging.getLogger(__name__)
Content = TypeVar("Content")
_MAKE_STORE = "Make its tables with `groundwork up`."
_LOOK_IN_LOG = "The API server's log has the reason."
_MISSING_OBJECT = {"42P01", "3F000", "42703"}  # SQLSTATE: undefined table, schema, column


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The two databases, by a call that returns the engine or raises a GroundworkError, and the contracts' folder."""

    store: Callable[[], Engine]
    warehouse: Callable[[], Engine]
    contracts: Path


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A database that answered (`engine`) or the reason why it did not (`problem`)."""

    engine: Engine | None = None
    problem: Problem | None = None

    def read(self, reader: Callable[[Engine], Content | None]) -> Block[Content]:
        """The block that `reader` makes from the database; null content means there is nothing yet."""
        if self.engine is None:
            return Block(problem=self.problem)
        engine = self.engine
        return guarded(lambda: reader(engine))


def open_store(sources: Sources) -> Opened:
    """The store, when it answers."""
    opened = _open(sources.store, "Groundwork's store", STORE_CONNECTION)
    if opened.engine is None:
        return opened
    # groundwork: allow own_session shows what the catalog and the books say of tables, not their rows
    with opened.engine.connect() as connection:
        is_made = connection.execute(select(func.to_regclass(FOUNDATION_RUN.fullname))).scalar()
    return opened if is_made else Opened(problem=Problem(what="Groundwork's store is empty.", next_step=_MAKE_STORE))


def open_warehouse(sources: Sources) -> Opened:
    """The warehouse, when it answers."""
    return _open(sources.warehouse, "The warehouse", WAREHOUSE_CONNECTION)


def guarded(reader: Callable[[], Content | None]) -> Block[Content]:
    """A block from `reader`, whatever it raises; unforeseen errors are logged in full and told without detail."""
    try:
        return Block(content=reader())
    except GroundworkError as error:
        return Block(problem=Problem(what=_sentence(error), next_step=error.next_step))
    except DBAPIError as error:
        return Block(problem=_database_problem(error))
    except Exception:
        log.exception("a block of a page could not be read")
        return Block(problem=Problem(what="This part could not be read.", next_step=_LOOK_IN_LOG))


def _open(engine: Callable[[], Engine], name: str, connection_id: str) -> Opened:
    try:
        opened = engine()
        with opened.connect() as connection:
            # groundwork: allow raw_sql shows what the catalog and the books say of tables, not their rows
            connection.execute(text("SELECT 1"))
    except GroundworkError as error:
        return Opened(problem=Problem(what=_sentence(error), next_step=error.next_step))
    except (SQLAlchemyError, OSError) as error:
        # The driver's message names host and user: it goes to the log, not to every reader of the page.
        log.warning("%s does not answer: %s", name, error)
        step = f"Start it with `groundwork up`, or correct the Airflow connection `{connection_id}`."
        return Opened(problem=Problem(what=f"{name} does not answer.", next_step=step))
    return Opened(engine=opened)


def _database_problem(error: DBAPIError) -> Problem:
    if getattr(error.orig, "sqlstate", None) in _MISSING_OBJECT:
        return Problem(what="Its tables do not exist yet.", next_step=_MAKE_STORE)
    log.warning("a block of a page could not be read", exc_info=error)
    if isinstance(error, OperationalError):
        return Problem(what="The database stopped answering.", next_step="Look again in a moment.")
    return Problem(what="The database refused the query.", next_step=_LOOK_IN_LOG)


def _sentence(error: GroundworkError) -> str:
    where = f" ({error.where})" if error.where else ""
    return f"{error.what[:1].upper()}{error.what[1:]}{where}."
