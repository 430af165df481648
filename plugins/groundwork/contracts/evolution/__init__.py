"""Contract evolution: what changed between two versions of the contracts, whom it breaks, and whether it was announced.

Two documents become trees of named things (`subject`), the trees are walked together (`difference`, `renames`), each
difference is judged (`judge` and its rules), and the verdicts ask for a version step (`change`). Where the two sides
come from is `sides`; who relies on what is `groundwork.contracts.consumers`.
"""

from groundwork.contracts.evolution.change import Audience, Change, ContractEvolution, Evolution, Impact
from groundwork.contracts.evolution.compare import compare_contracts

__all__ = ["Audience", "Change", "ContractEvolution", "Evolution", "Impact", "compare_contracts"]
