"""`groundwork capture`: a stream is followed, shown, stopped, guarded and dropped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.fix_postgres import Database
from tests.flow.capture.shop import Shop
from tests.patience import PATIENCE_SECONDS, PROCESS_SECONDS, until

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "governance" / "contracts"
    folder.mkdir(parents=True)
    made = Shop(database=database, folder=folder, url=make_url(database.url))
    yield made
    made.remove()


@pytest.fixture
def environment(shop: Shop, tmp_path: Path) -> dict[str, str]:
    url = shop.url.set(drivername="postgres").render_as_string(hide_password=False)
    return {
        **os.environ,
        "GROUNDWORK_PROJECT": str(tmp_path),
        "GROUNDWORK_HOME": str(tmp_path / "home"),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW_CONN_WAREHOUSE": url,
        "AIRFLOW_CONN_SHOP_DB": url,
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "groundwork.cli", "capture", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS,
            env=environment,
        )

    return command


def test_from_start_to_drop(shop: Shop, run: Run) -> None:
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    done = run("start", "shop", "--until-caught-up", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["way"], told["had_snapshot"], told["is_caught_up"]) == ("outbox", True, True)
    assert "lacks REPLICATION" in told["reason"]
    assert shop.differences() == []
    shop.run("UPDATE origin.customer SET mail = 'b'")
    done = run("status", "--json")
    assert done.returncode == 0, done.stderr
    (status,) = json.loads(done.stdout)
    assert (status["stream"], status["state"], status["rows_behind"]) == ("shop.shop_db", "waiting", 1)
    assert "groundwork-test" not in done.stdout + done.stderr
    assert run("stop", "shop").returncode == 0
    done = run("status")
    assert done.returncode == 0
    assert "stopped" in done.stdout
    assert run("guard", "shop").returncode == 0
    shop.run("UPDATE groundwork_flow.stream SET heartbeat_at = now() - interval '9 days'")
    done = run("guard", "shop")
    assert done.returncode == 1
    assert "was given up: no consumer was seen" in done.stdout
    assert run("drop", "shop").stdout == "shop.shop_db was dropped\n"
    assert run("drop", "shop").stdout == "shop.shop_db was not there\n"


def test_it_follows_until_it_is_told_to_end(shop: Shop, environment: dict[str, str]) -> None:
    following = subprocess.Popen(
        [sys.executable, "-m", "groundwork.cli", "capture", "start", "shop"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        until(lambda: shop.value("SELECT to_regclass('groundwork_flow.stream') IS NOT NULL"), "the first table")
        until(lambda: shop.value("SELECT count(position) FROM groundwork_flow.stream"), "the snapshot")
        shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
        until(lambda: shop.differences() == [], "the change")
        following.send_signal(signal.SIGTERM)
        out, errors = following.communicate(timeout=PATIENCE_SECONDS)
    finally:
        following.kill()
        following.communicate()
    assert following.returncode == 0, errors
    assert "1 changes in 1 transactions" in out


def test_what_cannot_be_done(shop: Shop, run: Run) -> None:
    done = run("start", "shop", "--connection", "elsewhere")
    assert done.returncode == 2
    assert "no table of the domain is fed" in done.stderr
    shop.declare({"connection": "warehouse"})
    done = run("stop", "shop")
    assert done.returncode == 2
    assert "several streams" in done.stderr
