"""References without circles, so that tables can be loaded one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from groundwork.infer.relationships import RelationshipProposal


def without_circles(proposals: Sequence[RelationshipProposal]) -> list[RelationshipProposal]:
    """The surest references first, leaving out those that would make tables wait for each other."""
    kept: list[RelationshipProposal] = []
    for proposal in sorted(proposals, key=lambda each: -each.confidence):
        if proposal.table == proposal.target_table or not _leads(kept, proposal.target_table, proposal.table):
            kept.append(proposal)
    return [proposal for proposal in proposals if proposal in kept]


def _leads(kept: Sequence[RelationshipProposal], start: str, end: str) -> bool:
    """Whether references lead from `start` to `end`."""
    seen, ahead = {start}, [start]
    while ahead:
        table = ahead.pop()
        if table == end:
            return True
        new = {each.target_table for each in kept if each.table == table} - seen
        seen |= new
        ahead += new
    return False
