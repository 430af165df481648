"""What a module leaves open fails in that module, not in whichever test happens to run when the garbage is collected.

Python warns of a connection, socket, file or process that is deleted while still open, and warnings are errors here;
but what stands in a circle of references, such as the frames of an error, is deleted at some later time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


def pytest_collection_finish() -> None:
    """Leave out of every later collection what was imported until now: that is most there is."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give back what was left out: libraries complain of what is not collected when the process ends."""
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def nothing_left_open() -> Iterator[None]:
    """Collect the garbage of a module at its end; it is made before, and so ended after, the module's own fixtures."""
    yield
    gc.collect()
