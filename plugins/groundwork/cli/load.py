"""`groundwork load`: one table from its source, or from a file, with its books at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from groundwork.contracts.contract import Domain, TableContract
    from groundwork.flow.books import LoadResult
    from groundwork.flow.loads.preflight import DryRun
    from groundwork.flow.loads.progress import Progress

_SOME_QUARANTINED = 1
_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet"}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}


def load(  # noqa: PLR0913  one parameter per option
    table: Annotated[str, typer.Argument(help="A table of the contracts, with or without its schema.")],
    *,
    domain: Annotated[str | None, typer.Option(help="Domain of the table, where two have one of this name.")] = None,
    source: Annotated[Path | None, typer.Option(help="A file in place of the declared source.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First value of the watermark's column; else since the last load.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Where the range ends, not part of it.")] = None,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Read the source from its beginning.")] = False,
    connection: Annotated[str, typer.Option(help="Airflow connection id of the database.")] = WAREHOUSE_CONNECTION,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, and load nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load a table as its pipeline does: cast, checked, published in one transaction; broken rows go to quarantine.

    The same source again changes nothing. A load that was interrupted goes on where it stopped. Where the source may
    change (`on_schema_change: evolve`), contract and table follow it first; a dry run changes neither.

    Exit code 0 when every record was loaded, 1 when some are in quarantine (with --dry-run: would be), 2 when it could
    not be loaded.
    """
    result = _loaded(table, domain, source, (start, end), connection, dry_run=dry_run, full_refresh=full_refresh)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2, default=str))
    else:
        typer.echo(_told(result))
    if result.quarantined:
        raise typer.Exit(_SOME_QUARANTINED)


def _loaded(
    name: str,
    domain_name: str | None,
    file: Path | None,
    wanted: tuple[str | None, str | None],
    connection: str,
    *,
    dry_run: bool,
    full_refresh: bool,
) -> LoadResult | DryRun:
    from groundwork.cli.table_choice import chosen_table
    from groundwork.flow.loads import preflight
    from groundwork.flow.loads.load import load_table
    from groundwork.flow.window import window_of
    from groundwork.operators.connections import engine
    from groundwork.operators.load_gate import load_gate
    from groundwork.operators.resources import airflow_resources

    run_id = _run_id()
    domain, table = chosen_table(name, domain_name)
    settings = Settings.from_environment()
    project = settings.project
    if file is not None:
        table, project = with_file(table, file), file.resolve().parent
    warehouse = engine(connection)
    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with warehouse.begin() as database:
        preflight.require_table(database, table)
        if full_refresh and not dry_run:
            preflight.forget_watermark(database, table.schema, table.name)
    if not dry_run and _follows(settings, domain, table, run_id, wanted, project, connection):
        domain, table = chosen_table(name, domain_name)
        table = with_file(table, file) if file is not None else table
    shared: dict[str, Any] = {
        "project": project,
        "window": window_of(*wanted),
        "resources": airflow_resources(project),
    }
    with _progress() as progress:
        if dry_run:
            return preflight.dry_run(warehouse, domain, table, progress=progress, **shared)
        gate = load_gate(settings, domain, table, connection)
        return load_table(warehouse, domain, table, run_id=run_id, progress=progress, before_publish=gate, **shared)


def _follows(  # noqa: PLR0917  one value per fact of the load
    settings: Settings,
    domain: Domain,
    table: TableContract,
    run_id: str,
    wanted: tuple[str | None, str | None],
    project: Path,
    connection: str,
) -> bool:
    """Let the contract follow its source, and whether it did, which is told on stderr."""
    from groundwork.flow.window import window_of
    from groundwork.operators.follow import let_follow

    done = let_follow(
        settings,
        domain,
        table,
        run_id=run_id,
        actor=run_id.partition("/")[0],
        window=window_of(*wanted),
        project=project,
        connection_id=connection,
    )
    for each in done:
        typer.echo(str(each), err=True)
    return bool(done)


def with_file(table: TableContract, file: Path) -> TableContract:
    """`table` with `file` as its source, in the form its suffix tells, else in the declared one.

    Raises: ConfigError when there is no such file, or nothing tells its form.
    """
    from groundwork.contracts.source_keys import COMMON_KEYS, CSV_KEYS

    if not file.is_file():
        raise ConfigError("there is no such file", where=str(file), expected="a file", next_step="correct the path")
    declared = dict(table.source or {})
    suffixes = [suffix.lower() for suffix in file.suffixes]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    told = next((_FORMATS[suffix] for suffix in reversed(suffixes) if suffix in _FORMATS), declared.get("format"))
    if told is None:
        raise ConfigError(
            "nothing tells the form of the file",
            where=str(file),
            expected=f"one of the suffixes {', '.join(_FORMATS)}, or `source.format` in the contract",
            found=file.suffix or "no suffix",
        )
    known = set(COMMON_KEYS)
    if declared.get("kind") == "file":
        known |= {"empty", *(CSV_KEYS if told == "csv" else ())}
    else:
        known -= {"columns", "ignore"}  # they name fields of the other source
        if declared.get("on_schema_change") == "evolve":  # by the declared source only
            declared["on_schema_change"] = "quarantine"
    kept = {name: value for name, value in declared.items() if name in known}
    form = {"kind": "file", "path": file.name, "format": told, **({"compression": compression} if compression else {})}
    return replace(table, source={**kept, **form})


def _run_id() -> str:
    import getpass
    import uuid

    return f"cli:{getpass.getuser()}/{uuid.uuid4()}"


def _told(result: LoadResult | DryRun) -> str:
    lines = [str(result)]
    lines += [f"  quarantine: {label}: {count}" for label, count in result.reasons.items()]
    load_id = getattr(result, "load_id", None)
    if result.quarantined and load_id is not None:
        lines.append(f"  next: groundwork quarantine list --load {load_id}")
    return "\n".join(lines)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None] | None]:
    """A bar on stderr while a person watches; nothing otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    words = TextColumn("{task.fields[told]}")
    with Bar(BarColumn(), words, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("load", total=None, told="reading")

        def show(progress: Progress) -> None:
            rate = progress.read / progress.seconds if progress.seconds else 0.0
            told = f"{progress.read:,} records, {progress.bytes_read / 1e6:,.1f} MB, {rate:,.0f} records/s"
            bar.update(shown, total=progress.bytes_total, completed=progress.bytes_read, told=told)

        yield show
