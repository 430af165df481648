"""Values, vocabularies, identifiers and errors that every other room speaks in.

Owns no behaviour that touches a file, a network or a database, and imports nothing else of Groundwork.
"""
