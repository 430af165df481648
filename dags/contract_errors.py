"""An import error for Airflow's home page while contracts are broken, in a file of its own that has no Dag.

Airflow takes every Dag away from a file with an import error; here there is none to take.
"""

from __future__ import annotations

from groundwork.operators.pipelines.factory import require_whole

require_whole()
