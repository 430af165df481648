"""Every fault of the suite is really made; class, outcome, data, records and bystanders are as they must be."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.fault import Fault
from benchmarks.faults.runner import run_with_orbt
from benchmarks.faults.world import World, world

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.airflow,
    # A try that leaks or runs out of its time leaves sessions, which end with its process and here with its frames.
    pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def everything() -> Iterator[World]:
    """Servers, ways, API and project, shared by all faults; each has databases of its own."""
    with world() as made:
        yield made
    gc.collect()


def _case(fault: Fault) -> object:
    marks = [pytest.mark.slow] if fault.is_long else []
    if fault.defect is not None:
        marks.append(pytest.mark.xfail(reason=fault.defect, raises=AssertionError))
    return pytest.param(fault, id=f"{fault.kind}: {fault.name}", marks=marks)


@pytest.mark.parametrize("fault", [_case(fault) for fault in FAULTS])
def test_fault(everything: World, fault: Fault) -> None:
    try:
        _meet(everything, fault)
    finally:
        gc.collect()  # what a try left is collected here, where that is expected, and not within another module's test


def _meet(everything: World, fault: Fault) -> None:
    if fault.needs_small_disk and everything.servers.small_disk is None:
        pytest.skip("a small disk cannot be mounted by this user")
    found = run_with_orbt(everything, fault)
    lines = [*found.shortcomings(fault), *found.remedies, *found.complaints]
    assert not found.shortcomings(fault), "\n".join([fault.name, *lines])


def test_there_are_enough_faults() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 40
    assert len({fault.kind for fault in FAULTS}) >= 12
    assert len({fault.fault_class for fault in FAULTS}) >= 8
