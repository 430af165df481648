"""Transformations: dbt is run as a child process, and its artifacts are read as values."""
