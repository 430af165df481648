"""The way in to the tables: repositories derived from contracts, and the data API on top of them.

Owns validation of rows before they are written, optimistic locking, keyset pagination, and the mapping of database
errors to words. Who may see what is decided by the database (`groundwork.governance.access`), never here.
"""
