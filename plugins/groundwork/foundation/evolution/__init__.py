"""Contracts that follow their sources: `source.on_schema_change: evolve`.

`look` reads what a source has, `decide` says which changes that asks for and which of them are compatible, `draft`
writes the contract that has them, `carry_out` migrates the database and puts the contract in its place, `follow` is the
one way in for whoever is about to load.
"""
