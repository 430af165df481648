"""A program that opens one incident from ten sessions at once; run four times at once by `test_response.py`.

Arguments: URL of the store, folder of the patterns, folder of a project, id of the run. Waits for a line before it
starts, so that all processes start together; prints the incident and whether it is new, one line each.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from sqlalchemy import create_engine

from groundwork.model.fault import Circumstances, Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.strike_book import StrikeBook
from groundwork.store.base import utc_now
from groundwork.store.incident import OpenedIncident

_SESSIONS = 10


def main(url: str, patterns: str, project: str, run_id: str) -> None:
    """Open the incident."""
    engines = [create_engine(url) for _ in range(_SESSIONS)]
    for engine in engines:
        engine.connect().close()
    books = [StrikeBook(engine, read_patterns(Path(patterns)), Path(project)) for engine in engines]
    found: list[OpenedIncident | None] = []
    threads = [
        threading.Thread(target=lambda book=book, index=index: found.append(book.keep(_strike(run_id, index))))
        for index, book in enumerate(books)
    ]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in found:
        assert opened is not None
        sys.stdout.write(f"{opened.id} {opened.is_new}\n")


def _strike(run_id: str, index: int) -> Strike:
    return Strike(
        task_try=TaskTry(dag_id=f"dag{index}", run_id=run_id, task_id="t", try_number=1),
        fault=Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="gone"),
        impact=Impact(domain="market"),
        number=3,
        action=StrikeAction.ASK_PERSON,
        reason="the third strike",
        at=utc_now(),
        circumstances=Circumstances(target="warehouse"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
