"""`groundwork quarantine`: broken records listed, shown, taken out to be corrected, loaded again, and given up.

Exit codes: 0 fine, 1 a replay left rows in quarantine (or a question was answered with no), 2 cannot be done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundwork.model.errors import ConfigError
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from groundwork.contracts.contract import TableContract
    from groundwork.flow.quarantine.read import Selection
    from groundwork.flow.quarantine.replay_source import Corrections

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
SOME_LEFT = 1
_ALL_STATES = "all"
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Table = Annotated[str, typer.Option("--table", help="Only this table, with or without its schema.")]
Domain = Annotated[str | None, typer.Option("--domain", help="Domain of the table, where two have one of this name.")]
Load = Annotated[int | None, typer.Option("--load", help="Only rows of this load.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only rows that break `rule` or `rule:column`.")]
State = Annotated[str, typer.Option("--state", help="held, replayed, dropped, evidence or all.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show guarded values; kept in the audit trail.")]
Connection = Annotated[str, typer.Option("--connection", help="Airflow connection id of the database.")]


@app.callback()
def quarantine() -> None:
    """Records that broke their contract, with every reason."""


@app.command("list")
def list_rows(
    *,
    table: Table = "",
    load: Load = None,
    reason: Reason = None,
    state: State = "held",
    rows: Annotated[bool, typer.Option("--rows", help="List single rows with their ids.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Rows to list at most.")] = 100,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Count rows by table, load and reason, newest load first; with --rows list them. No values are shown.

    Rows that were dropped count apart, with --state dropped.
    """
    from groundwork.flow.quarantine import read
    from groundwork.operators.connections import engine

    selection = _selection(table, load, reason, state)
    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with engine(connection).begin() as database:
        dropped = read.total(database, _selection(table, load, reason, "dropped")) if state == read.HELD else 0
        if rows:
            found = [_listed(row) for row in read.rows(database, selection, limit)]
        else:
            found = [dict(row) for row in read.counts(database, selection)]
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    columns = ("quarantine_id", "position", "reasons") if rows else ("rows", "reason", "first_id")
    _print(["table", "load_id", "state", *columns], [{**row, "table": _table_of(row)} for row in found])
    if dropped:
        typer.echo(f"{dropped} more were dropped: --state dropped", err=True)


@app.command()
def show(
    quarantine_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the row, as `list --rows` tells it.")],
    *,
    domain: Domain = None,
    reveal: Reveal = False,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Show a row as its source had it, and every reason; guarded values are masked unless revealed."""
    from groundwork.cli.table_choice import chosen_table
    from groundwork.flow.quarantine import read
    from groundwork.operators.connections import engine

    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with engine(connection).begin() as database:
        found = dict(read.row(database, quarantine_id))
    _, table = chosen_table(_table_of(found), domain)
    if reveal:
        _audit("quarantine_revealed", table, {"quarantine_ids": [quarantine_id]})
    found["raw"] = read.shown_raw(table, found["raw"], reveal=reveal)
    found["reasons"] = read.shown_reasons(table, found["reasons"], reveal=reveal)
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    told = ("schema_name", "table_name", "load_id", "source", "position", "state", "settled_by_load_id", "created_at",
            "dropped_at", "dropped_by", "dropped_because")  # fmt: skip
    lines = [f"{name:<18}  {found[name]}" for name in told if found[name] is not None]
    lines += ["", *(f"{name:<18}  {value}" for name, value in found["raw"].items()), ""]
    lines += [
        f"{each['rule']}{':' + each['column'] if each['column'] else ''}: {each['message']}"
        for each in found["reasons"]
    ]
    typer.echo("\n".join(lines))


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="A table of the contracts, with or without its schema.")],
    file: Annotated[Path, typer.Argument(help="Where to; .csv, .jsonl or .parquet.")],
    *,
    domain: Domain = None,
    load: Load = None,
    reason: Reason = None,
    state: State = "held",
    reveal: Reveal = False,
    connection: Connection = WAREHOUSE_CONNECTION,
) -> None:
    """Write the rows of a table with their reasons into a file that can be corrected and handed to `replay --file`."""
    from groundwork.cli.table_choice import chosen_table
    from groundwork.flow.quarantine import read
    from groundwork.flow.quarantine.file import columns_of, write_file
    from groundwork.operators.connections import engine

    _, contract = chosen_table(table, domain)
    selection = _selection(contract.qualified_name, load, reason, state)
    if reveal:
        _audit("quarantine_revealed", contract, {"file": str(file), "load_id": load, "reason": reason})
    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with engine(connection).begin() as database:
        rows = (read.corrigible(contract, row, reveal=reveal) for row in read.rows(database, selection))
        count = write_file(file, columns_of(contract), rows)
    typer.echo(f"{count} rows written to {file}")


@app.command()
def replay(  # noqa: PLR0913  one parameter per option
    table: Annotated[str, typer.Argument(help="A table of the contracts, with or without its schema.")],
    *,
    ids: Annotated[list[int] | None, typer.Option("--id", help="Only these rows; can be given several times.")] = None,
    domain: Domain = None,
    load: Load = None,
    reason: Reason = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="A value for all rows; \\N is null.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Corrected rows, as `export` wrote them.")] = None,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Load rows of the quarantine again, after data or contract were corrected.

    What gets in is marked as replayed; what fails again stays, with its new reasons.
    Exit code 0 when every row got in, 1 when some stayed, 2 when it could not be tried.
    """
    from groundwork.cli.table_choice import chosen_table
    from groundwork.flow.quarantine.replay import replay_quarantine
    from groundwork.operators.connections import engine

    part, contract = chosen_table(table, domain)
    corrections = _corrections(contract, set_ or [], file)
    _audit("quarantine_replay_started", contract, {"columns": sorted(corrections.for_all), "file": file and str(file)})
    result = replay_quarantine(
        engine(connection),
        part,
        contract,
        project=Settings.from_environment().project,
        selection=_selection(contract.qualified_name, load, reason, "held", tuple(ids or ())),
        corrections=corrections,
    )
    typer.echo(json.dumps(result.to_json(), indent=2, default=str) if as_json else str(result))
    if result.failed or result.unfit:
        raise typer.Exit(SOME_LEFT)


@app.command()
def drop(  # noqa: PLR0913  one parameter per option
    table: Annotated[str, typer.Argument(help="A table of the contracts, with or without its schema.")],
    *,
    because: Annotated[str, typer.Option("--because", help="Why; kept with the rows and in the audit trail.")],
    ids: Annotated[list[int] | None, typer.Option("--id", help="Only these rows; can be given several times.")] = None,
    domain: Domain = None,
    load: Load = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    connection: Connection = WAREHOUSE_CONNECTION,
    as_json: Json = False,
) -> None:
    """Give rows of the quarantine up: they stay as they were, marked with who, when and why, and are never replayed.

    Exit code 0 when they are dropped (or there was none), 1 when the question was answered with no, 2 when it cannot be
    done.
    """
    from groundwork.cli.table_choice import chosen_table
    from groundwork.flow.quarantine import read
    from groundwork.flow.quarantine.drop import drop_quarantined
    from groundwork.operators.connections import engine

    _, contract = chosen_table(table, domain)
    selection = _selection(contract.qualified_name, load, reason, read.HELD, tuple(ids or ()))
    # groundwork: allow own_session hands a connection to an engine room, which does the work
    with engine(connection).begin() as database:
        count = read.total(database, selection)
    if count and not yes:
        typer.confirm(f"Give up {count} rows of {contract.qualified_name} for good?", abort=True, err=True)
    if because.strip():
        chosen = {"load_id": load, "reason": reason, "quarantine_ids": ids or None}
        _audit("quarantine_dropped", contract, {**chosen, "rows": count, "because": because})
    result = drop_quarantined(engine(connection), contract, selection=selection, actor=_actor(), because=because)
    typer.echo(json.dumps(result.to_json(), indent=2) if as_json else str(result))


def _selection(table: str, load: int | None, reason: str | None, state: str, ids: tuple[int, ...] = ()) -> Selection:
    from groundwork.flow.quarantine.read import STATES, Selection

    if state not in (*STATES, _ALL_STATES):
        raise ConfigError("--state does not know this word", expected=", ".join((*STATES, _ALL_STATES)), found=state)
    schema, _, name = table.rpartition(".")
    return Selection(
        schema=schema or None,
        table=name or None,
        load_id=load,
        reason=reason,
        state=None if state == _ALL_STATES else state,
        ids=ids,
    )


def _corrections(table: TableContract, given: Sequence[str], file: Path | None) -> Corrections:
    from groundwork.flow.quarantine.file import NULL, read_corrections
    from groundwork.flow.quarantine.replay_source import Corrections

    values: dict[str, str | None] = {}
    for text in given:
        name, is_pair, value = text.partition("=")
        if not is_pair:
            raise ConfigError("--set needs a column and a value", expected="COLUMN=VALUE", found=text)
        values[name.strip()] = None if value == NULL else value
    by_row = read_corrections(file, table).by_row if file else {}
    return Corrections(for_all=values, by_row=by_row)


def _audit(action: str, table: TableContract, details: Mapping[str, Any]) -> None:
    """Written before anything is shown or changed: what is not on record does not happen."""
    from groundwork.operators.connections import engine
    from groundwork.store.audit import AuditTrail

    AuditTrail(engine(STORE_CONNECTION)).append(
        actor=_actor(), action=action, subject=f"quarantine:{table.qualified_name}", details=details
    )


def _actor() -> str:
    import getpass

    return f"cli:{getpass.getuser()}"


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without any value of its record."""
    told = {name: value for name, value in row.items() if name not in ("raw", "reasons", "is_trial")}
    return {**told, "reasons": ", ".join(dict.fromkeys(map(_label, row["reasons"])))}


def _label(reason: Mapping[str, Any]) -> str:
    return f"{reason['rule']}:{reason['column']}" if reason["column"] else str(reason["rule"])


def _table_of(row: Mapping[str, Any]) -> str:
    return f"{row['schema_name']}.{row['table_name']}"


def _print(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    texts = [[str(row[name]) for name in columns] for row in rows]
    widths = [max(len(name), *(len(line[index]) for line in texts), 0) for index, name in enumerate(columns)]
    for line in [[name.upper() for name in columns], *texts]:
        typer.echo("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())
    if not texts:
        typer.echo("nothing is in quarantine", err=True)
