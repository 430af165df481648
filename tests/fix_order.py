"""In which order tests run, and which of them in one process when several processes share the work.

Tests of one module stay together, because they share fixtures. All modules that run a whole deployment are one group:
two deployments at once are too much for a small machine. Alone, tests on this checkout's deployment come last, so that
it does not run beside the others; shared out, the group comes first, because it is the longest, then modules with slow
tests, so that nobody is left with a long one at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

_DEPLOYMENTS = ("tests/e2e/", "tests/local/test_stack.py")


def is_on_a_deployment(path: str) -> bool:
    """Whether the module at `path`, from the root of the project, runs a whole deployment."""
    return path.startswith(_DEPLOYMENTS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (not is_on_a_deployment(item.nodeid), item.path not in slow))
    else:
        items.sort(key=lambda item: "stack" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Share out whole modules, and those on a deployment as one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module: str = nodeid.partition("::")[0]
            return "deployments" if is_on_a_deployment(module) else module

    return ByModule(config, log)
