"""An S3 server, through a connection of Airflow: every format, listings that are never stale, and what goes wrong."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.source import open_source
from groundwork.model.errors import ConfigError, RetriableError
from tests.cli.test_load import days, make_project, run
from tests.fix_postgres import Database
from tests.flow.depot import column, declared
from tests.flow.sources.reading import NOWHERE, in_parts, read, resumed, rows

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("airflow.providers.amazon", reason="apache-airflow-providers-amazon is not installed")

pytestmark = pytest.mark.airflow
SECRET = "do-not-tell-9c1d"
COLUMNS = [column("id", "integer", key=1), column("name", "text"), column("day", "date")]
ROWS = [(str(n), f"ü {n}", "2024-01-01") for n in range(1, 3001)]
CSV = "id,name,day\n" + "".join(",".join(row) + "\n" for row in ROWS)


class Lake:
    """The bucket `lake` of a server on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="me",
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket="lake")

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket="lake", Key=key, Body=data)

    @staticmethod
    def connection(port: int) -> str:
        """Airflow's connection to it."""
        extra = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
        extra["config_kwargs"] = {"retries": {"max_attempts": 0}}  # type: ignore[assignment]  # a part of a document
        return json.dumps({"conn_type": "aws", "login": "me", "password": SECRET, "extra": extra})


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    found = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def lake(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    _, port = server.get_host_and_port()
    found = Lake(port)
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", found.connection(port))
    yield found
    for each in found.client.list_objects_v2(Bucket="lake").get("Contents", ()):
        found.client.delete_object(Bucket="lake", Key=each["Key"])


def _opened(folder: Path, path: str, form: str, connection: str = "lake", **options: Any) -> Source:
    """The source as a task of Airflow opens it."""
    from groundwork.operators.resources import airflow_resources

    source = {"kind": "file", "path": path, "format": form, "connection": connection}
    domain = declared(folder, COLUMNS, source)
    resources: Resources = airflow_resources(folder)
    return open_source(NOWHERE, domain, domain.table("items"), project=folder, resources=resources, **options)


def _documents() -> list[dict[str, str]]:
    return [dict(zip(("id", "name", "day"), row, strict=True)) for row in ROWS]


def _parquet() -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(_documents()), sink, row_group_size=700)
    return sink.getvalue()


FILES = {
    "in/a.csv": ("csv", CSV.encode()),
    "in/a.csv.gz": ("csv", gzip.compress(CSV.encode())),
    "in/a.jsonl": ("jsonl", "".join(json.dumps(each) + "\n" for each in _documents()).encode()),
    "in/a.json": ("json", json.dumps(_documents()).encode()),
    "in/a.parquet": ("parquet", _parquet()),
}


@pytest.mark.parametrize("key", FILES)
def test_every_format_is_read_whole_in_parts_and_taken_up_again(lake: Lake, tmp_path: Path, key: str) -> None:
    form, data = FILES[key]
    lake.put(key, data)
    source = _opened(tmp_path, f"s3://lake/{key}", form, batch_rows=400)
    assert rows(source) == ROWS
    assert source.checksum()
    assert source.fingerprint
    assert in_parts(source, 3) == read(source) == resumed(source)
    assert len(source.parts(3)) == (1 if key.endswith((".gz", ".json")) else 3)


def test_partitions_of_a_folder_and_what_is_new_in_it(lake: Lake, tmp_path: Path) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        lake.put(f"in/day={day}/a.csv", f"id,name\n{day[-1]},x\n".encode())
        lake.put(f"in/day={day}/_SUCCESS", b"")
    assert rows(_opened(tmp_path, "s3://lake/in/day=*/*.csv", "csv")) == [
        ("1", "x", "2024-01-01"),
        ("2", "x", "2024-01-02"),
    ]
    before = _opened(tmp_path, "s3://lake/in/day=*/*.csv", "csv").fingerprint
    lake.put("in/day=2024-01-02/b.csv", b"id,name\n3,y\n")
    lake.put("in/day=2024-01-01/a.csv", b"id,name\n1,z\n")
    again = _opened(tmp_path, "s3://lake/in/day=*/*.csv", "csv")
    assert [values[:2] for values in rows(again)] == [("1", "z"), ("2", "x"), ("3", "y")]
    assert again.fingerprint != before
    with pytest.raises(ConfigError, match="no file matches"):
        _opened(tmp_path, "s3://lake/none/*.csv", "csv")
    with pytest.raises(RetriableError, match="cannot be listed"):
        _opened(tmp_path, "s3://no-such-bucket/*.csv", "csv")


def test_an_object_that_changes_while_it_is_read_is_not_taken_for_whole(lake: Lake, tmp_path: Path) -> None:
    lake.put("in/a.csv", CSV.encode())
    batches = _opened(tmp_path, "s3://lake/in/a.csv", "csv", batch_rows=400).batches()
    next(iter(batches))
    lake.put("in/a.csv", CSV.replace("ü", "ä").encode())  # of the same size, in the same second
    with pytest.raises(RetriableError, match=r"changed while|broke off"):
        list(batches)


def test_what_is_not_there_and_a_server_that_does_not_answer_are_told_without_a_secret(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("s3://lake/none.csv", "s3://no-such-bucket/a.csv"):
        with pytest.raises(ConfigError, match="cannot be opened") as missing:
            rows(_opened(tmp_path, path, "csv"))
        assert missing.value.where == path
    monkeypatch.setenv("AIRFLOW_CONN_GONE", lake.connection(1))  # of another name: Airflow keeps a storage it opened
    for path in ("s3://lake/in/a.csv", "s3://lake/in/*.csv"):
        with pytest.raises(RetriableError) as caught:
            rows(_opened(tmp_path, path, "csv", "gone"))
        assert SECRET not in f"{caught.value} {caught.value.__cause__!r}"
        assert caught.value.next_step


@pytest.mark.postgres
def test_groundwork_load_reads_from_it(lake: Lake, tmp_path: Path, database: Database) -> None:
    project = make_project(tmp_path, database, path="s3://lake/orders/*.csv", connection="lake")
    lake.put("orders/1.csv", b"number,day,other\n1,2026-01-01,\n2,2026-01-02,5\n")
    lake.put("orders/2.csv", b"number,day,other\n3,2026-01-03,\nx,2026-01-04,\n")
    done = run(project, database, "load", "shop.orders", "--json")
    told = json.loads(done.stdout)
    assert (told["read"], told["loaded"], told["quarantined"]) == (4, 3, 1)
    assert days(database) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert SECRET not in done.stdout + done.stderr
    lake.put("orders/3.csv", b"number,day,other\n4,2026-01-05,\n")
    assert json.loads(run(project, database, "load", "shop.orders", "--json").stdout)["loaded"] == 1
