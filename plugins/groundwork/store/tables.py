"""Imports every module that declares tables, so that the shared metadata is complete."""

from __future__ import annotations

import importlib
import pkgutil

from sqlalchemy import MetaData

import groundwork.store as package
from groundwork.store.base import METADATA

_NOT_TABLES = {"base", "migrate", "tables"}


def complete_metadata() -> MetaData:
    """The store's metadata with the tables of every module of this package."""
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg and module.name not in _NOT_TABLES:
            importlib.import_module(f"{package.__name__}.{module.name}")
    return METADATA
