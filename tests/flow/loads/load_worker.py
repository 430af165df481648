"""A worker for tests that kill: imports once, then forks one process per load it is told of on standard input.

Each line is JSON: url, folder, and optionally `batch_rows`. Per line it answers with the process id of the load, then,
when that ended, with its exit status: 0 loaded, 3 worth another try, 4 anything else, negative the signal.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from groundwork.contracts.read import read_domain
from groundwork.flow.loads.load import load_table
from groundwork.model.errors import RetriableError


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(_load(json.loads(line)))
        _tell(pid)
        _, status = os.waitpid(pid, 0)
        _tell(os.waitstatus_to_exitcode(status))


def _load(order: dict[str, Any]) -> int:
    folder = Path(order["folder"])
    domain = read_domain("depot", folder / "contracts")
    engine = create_engine(order["url"])
    try:
        load_table(
            engine, domain, domain.table("items"), project=folder, run_id="killed", batch_rows=order["batch_rows"]
        )
    except RetriableError:
        return 3
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 4
    return 0


def _tell(value: object) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
