"""Loading Dags from contracts: each table contract with a source gives one Airflow Dag, made anew at every parse.

Contracts that are added, changed or removed show at the next parse; nothing has to be restarted. Those that are broken
are told of by `contract_errors.py`.
"""

from __future__ import annotations

from groundwork.operators.pipelines.factory import pipeline_dags

globals().update(pipeline_dags())
