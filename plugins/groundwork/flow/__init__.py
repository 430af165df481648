"""Rows from their declared sources into the tables of the warehouse: read, checked, quarantined, booked.

Owns reading of sources, the checks a row must pass, loads with their books and watermarks, the order of loads, and
notifications of changed rows. Does not make tables (`groundwork.change`) and does not judge tables at rest
(`groundwork.quality`). The ledger lives in the schema `groundwork_flow` of the warehouse itself, so that it commits
with the load.
"""
