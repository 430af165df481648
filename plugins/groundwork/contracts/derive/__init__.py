"""What a contract yields: SQLAlchemy metadata, DDL, check specifications, dbt sources, JSON Schema.

One module per target; each is a pure function of contract values.
"""
