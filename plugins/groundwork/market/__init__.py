"""The reference domain `market`: what only code can say of it.

Owns the computed tables of the contracts in `governance/contracts/market` (signals, orders, ownership, conflicts,
progress) and the decisions behind the signals. Everything here is computed from loaded prices; no number is random, and
nothing of it is advice.
"""
