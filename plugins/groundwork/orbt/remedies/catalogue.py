"""Every remedy by its name, imported when it is asked for: patterns name remedies without importing them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from groundwork.model.errors import ConfigError
from groundwork.model.nearest import did_you_mean
from groundwork.orbt.remedies.remedy import Remedy

_PACKAGE = "groundwork.orbt.remedies"
REMEDIES: Mapping[str, str] = {  # name: module of this package and class in it
    "use_replica": "connections.alternatives:UseReplica",
    "use_fallback": "connections.alternatives:UseFallback",
    "serve_cached_response": "connections.responses:ServeCachedResponse",
    "reset_connections": "connections.sessions:ResetConnections",
    "refresh_credentials": "connections.sessions:RefreshCredentials",
    "analyze_tables": "queries.statistics:AnalyzeTables",
    "validate_data": "data.validation:ValidateData",
    "repair_constraints": "data.repair:RepairConstraints",
    "clean_orphans": "data.orphans:CleanOrphans",
    "reconcile_data": "data.reconciliation:ReconcileData",
    "restore_backup": "data.restoring:RestoreBackup",
    "ask_for_correction": "data.correction:AskForCorrection",
    "explain_statement": "queries.plans:ExplainStatement",
    "create_index": "queries.indexes:CreateIndex",
    "extend_statistics": "queries.correlation:ExtendStatistics",
    "end_blockers": "queries.blockers:EndBlockers",
    "rewrite_statement": "queries.rewriting:RewriteStatement",
    "cache_statement": "queries.kept_results:CacheStatement",
    "free_space": "queries.kept_results:FreeSpace",
}
DIAGNOSES = frozenset({"explain_statement"})  # they look and heal nothing: a success after them proves nothing of them


def of_remedies(*written: str) -> str:
    """Which remedies there are, and which were probably meant: what a policy or a pattern that names others is told."""
    meant = [each for name in written if (each := did_you_mean(name, REMEDIES))]
    return "; ".join([f"there are {', '.join(sorted(REMEDIES))}", *meant])


@cache
def remedy(name: str) -> Remedy:
    """The remedy of this name.

    Raises: ConfigError when there is none.
    """
    if name not in REMEDIES:
        raise ConfigError(
            "there is no such remedy",
            found=name,
            expected=", ".join(sorted(REMEDIES)),
            next_step=did_you_mean(name, REMEDIES) or "groundwork remedies list",
        )
    module, _, kind = REMEDIES[name].partition(":")
    found: type[Remedy] = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), kind)
    return found()
