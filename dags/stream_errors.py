"""An import error for Airflow's home page while declarations of streams are broken, in a file of its own without Dags.

Airflow takes every Dag away from a file with an import error; here there is none to take.
"""

from __future__ import annotations

from groundwork.operators.capture import require_streams

require_streams()
