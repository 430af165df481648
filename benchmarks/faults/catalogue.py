"""All faults, in the order in which they are told."""

from __future__ import annotations

from dataclasses import replace

from . import faults_api, faults_connection, faults_data, faults_files, faults_healer, faults_limits, faults_queries
from .fault import Fault

FAULTS: tuple[Fault, ...] = (
    *faults_connection.FAULTS,
    *faults_queries.FAULTS,
    *faults_limits.FAULTS,
    *faults_healer.FAULTS,
    *faults_data.FAULTS,
    *faults_files.FAULTS,
    *faults_api.FAULTS,
)


def chosen(word: str = "", seed: int | None = None) -> tuple[Fault, ...]:
    """The faults whose name or kind has `word`, with another seed when one is given."""
    found = [fault for fault in FAULTS if word.lower() in f"{fault.kind}: {fault.name}".lower()]
    return tuple(found if seed is None else [replace(fault, seed=seed) for fault in found])
