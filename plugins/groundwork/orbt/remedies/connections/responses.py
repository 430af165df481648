"""Remedy for an API that is away: the next try reads the last good answer, whose age is told wherever it is used."""

from __future__ import annotations

from typing import ClassVar

from groundwork.flow.sources.kept_answers import KeptAnswers
from groundwork.model.errors import ConfigError
from groundwork.model.fault import Alternative, AlternativeKind
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene
from groundwork.orbt.tries.alternative_policy import read_alternative_policy
from groundwork.store.base import utc_now

FOLDER = "responses"  # below Groundwork's home
_HOUR_SECONDS = 3600.0


class ServeCachedResponse(Remedy):
    """Let the next try read the last good answer of the API."""

    name = "serve_cached_response"
    summary = "lets the next try read the API's last good answer; what is made from it counts as stale"
    limits = Limits(seconds=10, blast_radius="the next tries of this task instance; its data is marked as stale")
    way_back = "the next load that the API answers clears the mark"
    needs_store: ClassVar[bool] = False

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The answer that would be read."""
        return (self._found(scene).reason,)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Tell the next try."""
        alternative = self._found(scene)
        journal.use(alternative)
        journal.note(f"the next try reads the {alternative.reason}")

    def _found(self, scene: Scene) -> Alternative:
        source = scene.circumstances.target
        if source is None:
            raise RemedyRefusedError("which API failed is not known")
        kept = KeptAnswers(scene.home / FOLDER).find(source, scene.circumstances.table)
        if kept is None:
            raise RemedyRefusedError(f"no answer of `{source}` was kept on this machine")
        try:
            limit = read_alternative_policy(scene.project).responses.max_age_hours
        except ConfigError as wrong:
            raise RemedyRefusedError(str(wrong)) from wrong
        hours = (utc_now() - kept.at).total_seconds() / _HOUR_SECONDS
        if hours > limit:
            raise RemedyRefusedError(f"the last answer of `{source}` is {hours:.0f} h old, {limit:g} h are allowed")
        return Alternative(
            kind=AlternativeKind.CACHED_RESPONSE,
            names=source,
            instead=f"{FOLDER}/{kept.path.name}",
            reason=f"answer that `{source}` gave at {kept.at:%Y-%m-%d %H:%M}Z, {hours:.1f} h ago",
        )
