"""Dags for Airflow that apply changes: one per stream that the contracts declare, none where none is declared.

Streams that are broken are told of by `stream_errors.py`.
"""

from __future__ import annotations

from groundwork.operators.capture import stream_dags

globals().update(stream_dags())
