"""Reading ahead: an iterator runs in a thread of its own, a bounded number of items before its consumer.

The bound is the back-pressure: a slow consumer makes the producer wait, so that memory never holds more than `depth`
items, and a fast one never waits for work that could have been done meanwhile.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
_POLL_SECONDS = 0.2  # how soon a producer notices that nobody consumes any more


class _End(Generic[Item]):
    """The end of the items, with what ended them early."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterable[Item], depth: int = 2) -> Iterator[Iterator[Item]]:
    """The items, made in another thread; what the producer raises is raised here. The thread has ended on exit."""
    waiting: queue.Queue[Item | _End[Item]] = queue.Queue(maxsize=depth)
    is_abandoned = threading.Event()

    def put(item: Item | _End[Item]) -> bool:
        while not is_abandoned.is_set():
            try:
                waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put(item):
                    break
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=produce, name="groundwork-ahead", daemon=True)
    thread.start()
    try:
        yield _consume(waiting)
    finally:
        is_abandoned.set()
        thread.join()


def _consume(waiting: queue.Queue[Item | _End[Item]]) -> Iterator[Item]:
    while True:
        item = waiting.get()
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
        yield item
