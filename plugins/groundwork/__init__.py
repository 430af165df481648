"""Groundwork: a data platform on Apache Airflow, driven by data contracts."""

__version__ = "0.1.0"
