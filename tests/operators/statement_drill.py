"""A Dag whose task, an operator of Airflow's own provider, runs out of time for lack of an index; run as a program.

Not a test: `test_heals_a_statement.py` runs it in a process of its own, because Airflow reads its settings at import.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG

from groundwork.operators.healing import healing

_LOOKED_UP = "(SELECT sum(amount) FROM shop.sales WHERE reference = %(reference)s)"

with DAG(
    "statement_drill", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), default_args=healing()
) as drill:
    SQLExecuteQueryOperator(
        task_id="read",
        conn_id="shop",
        sql=f"SELECT {' + '.join([_LOOKED_UP] * 200)}",
        parameters={"reference": "{{ 'number ' }}77"},
        do_xcom_push=False,
    )


if __name__ == "__main__":
    run = drill.test(logical_date=None)
    (read,) = run.get_task_instances()
    sys.stdout.write(f"\nRESULT {json.dumps([str(read.state), read.try_number])}\n")
