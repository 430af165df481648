"""Remedies that do on order what the runner has to be safe from: fail, hang, die, and change things on the way.

They act on the table `probe` of the target: `apply` adds the row `settings["row"]`, `undo` takes it away.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.model.fault import Alternative, AlternativeKind, Change, TaskTry
from groundwork.orbt.remedies import catalogue
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene
from tests.patience import PATIENCE_SECONDS

entered, leave = threading.Event(), threading.Event()  # a remedy that waits for the test


class Probe(Remedy):
    """Adds a row, then does what `settings["then"]` says."""

    name = "probe"
    summary = "adds a row"
    limits = Limits(seconds=PATIENCE_SECONDS, rows=1, blast_radius="the table probe")
    way_back = "the row is taken away"
    is_writing = True

    def precondition(self, scene: Scene) -> str | None:
        """What the test says."""
        return scene.settings.get("obstacle")

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The row; a dry run that writes has to fail."""
        with scene.target.begin() as connection:
            if scene.settings.get("then") == "write in the plan":
                connection.execute(text("INSERT INTO probe VALUES (0)"))
        return (f"add the row {scene.settings['row']}",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Add it."""
        then = scene.settings.get("then", "")
        for row in (scene.settings["row"], scene.settings["row"] + 100):
            journal.will(f"add the row {row}", row=row)
            with scene.target.begin() as connection:
                connection.execute(text("INSERT INTO probe VALUES (:row)"), {"row": row})
            _then(then, scene)
        if then == "late":
            journal.will("add one more", row=999)
        journal.note("added")
        journal.use(Alternative(kind=AlternativeKind.REPLICA, names="warehouse", instead="replica", reason="test"))

    def undo(self, scene: Scene, change: Change) -> str:
        """Take it away."""
        if scene.settings.get("undo") == "fails":
            raise OSError("cannot")
        with scene.target.begin() as connection:
            connection.execute(text("DELETE FROM probe WHERE id = :row"), change.facts)
            connection.execute(text("INSERT INTO undone (id) VALUES (:row)"), change.facts)
        return f"took away {change.facts['row']}"


class Look(Probe):
    """Changes nothing, and runs while the store is away."""

    name = "look"
    is_writing = False
    needs_store = False

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Look."""
        with scene.target.connect() as connection:
            found = connection.execute(text("SELECT current_setting('application_name')")).scalar_one()
        journal.note(f"looked as {found}")


def _then(then: str, scene: Scene) -> None:
    if then == "fail":
        raise ZeroDivisionError("a bug in a remedy, password=hunter2")
    if then == "refuse":
        raise RemedyRefusedError("it made nothing better")
    if then == "exit":
        sys.exit(3)
    if then == "sleep on the server":
        with scene.target.connect() as connection:
            connection.execute(text("SELECT pg_sleep(600)"))
    if then in ("wait", "late"):
        entered.set()
        leave.wait(PATIENCE_SECONDS)
    if then == "die":
        os.kill(os.getpid(), signal.SIGKILL)


def install(monkeypatch: pytest.MonkeyPatch | None = None) -> None:
    """Let the catalogue know them."""
    entered.clear()
    leave.clear()
    known: Any = catalogue.REMEDIES
    for name, kind in (("probe", "Probe"), ("look", "Look")):
        place = f".{name}_of_tests:{kind}"
        if monkeypatch is None:
            known[name] = place
        else:
            monkeypatch.setitem(known, name, place)
        module = f"{catalogue.__package__}..{name}_of_tests"
        if monkeypatch is None:
            sys.modules[module] = sys.modules[__name__]
        else:
            monkeypatch.setitem(sys.modules, module, sys.modules[__name__])
    catalogue.remedy.cache_clear()


def die_in_the_middle(url: str, seconds: float) -> None:
    """For a process of its own: run the remedy `probe` and be killed after its first change; never returns."""
    from pathlib import Path

    from groundwork.orbt.remedies.run import run
    from tests.orbt.remedies.fix_scene import scene_on

    install()
    Probe.limits = Limits(seconds=seconds, blast_radius="the table probe")
    engine: Engine = create_engine(url)
    task_try = TaskTry(dag_id="drill", run_id="killed", task_id="load", try_number=1)
    run(
        "probe", scene_on(engine, Path("/nowhere"), store=engine, task_try=task_try, settings={"row": 1, "then": "die"})
    )
    time.sleep(60)
