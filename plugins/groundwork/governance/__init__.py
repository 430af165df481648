"""Governance: what data is, who may see it, how long it stays, and the proof of all that.

Public faces: `run` (a whole run), `access` and `verification` (roles, masked views, grants), `classification`,
`retention`, `policy`. Engines of other rooms call these; nothing here imports Airflow.
"""
