"""Running statements whose number of rows goes into the books."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection, CursorResult, Delete, Insert, Update

from groundwork.model.errors import FatalError


def changed_rows(connection: Connection, statement: Insert | Update | Delete) -> int:
    """Run `statement` and return how many rows it changed.

    Raises: FatalError when the driver does not say, because books must not guess.
    """
    # SQLAlchemy drops the driver's count for INSERT ... SELECT unless it is told to keep it.
    result = connection.execute(statement, execution_options={"preserve_rowcount": True})
    count = cast("CursorResult[tuple[object, ...]]", result).rowcount
    if count < 0:
        raise FatalError("the driver did not count the rows of a statement", found=count, where=str(statement)[:200])
    return count
