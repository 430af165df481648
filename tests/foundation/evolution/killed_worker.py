"""A process that lets a contract follow its source and is killed on the way: `killed_worker.py URL FOLDER STEP`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from groundwork.foundation.evolution import carry_out
from tests.foundation.evolution.yard import Yard


def die(*_: Any, **__: Any) -> None:
    """End at once, with nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    url, folder, step = sys.argv[1:]
    setattr(carry_out, step, die)
    Yard(engine=create_engine(url), folder=Path(folder), connections={}).follow()
