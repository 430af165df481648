"""Groundwork's own state: what was decided, measured, checked, audited, and who may call the data API.

Tables live in the schema `groundwork` of Groundwork's own database; one module per concept with its tables and the
repository that reads and writes them. Alembic makes and changes them (`groundwork.store.migrate`). Airflow's database
is never touched.
"""
