"""All pipelines that the contracts of a project declare, with those that cannot be made, read quickly again and again.

What was derived of a file is kept below Groundwork's home by the digest of the file's bytes and of the code that
derives, so that it can be missing but never stale. A file that is broken takes only its own pipelines away.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import Contract, Domain, TableContract
from groundwork.contracts.document import MOST_BYTES, parse_document, read_document
from groundwork.contracts.read import SUFFIX, assembled, read_contract
from groundwork.flow.pipelines.pipeline import Pipeline, pipelines_of
from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.whole_file import write_whole

_log = logging.getLogger(__name__)
CACHE = "pipelines.json"


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Pipelines by Dag id in order of file, and what keeps other files from having theirs: file → error, for people.

    `tables` are all tables of the files that could be read: (domain, name) → (schema, table, file, has a source).
    """

    pipelines: Mapping[str, Pipeline]
    broken: Mapping[str, str]
    tables: Mapping[tuple[str, str], tuple[str, str, str, bool]]

    def needed(self, pipeline: Pipeline) -> list[Pipeline]:
        """The pipelines of the tables that this one reads or refers to; tables without a source have none."""
        by_name = {(each.domain, each.qualified_name): each for each in self.pipelines.values()}
        places = [self.tables.get((pipeline.domain, name)) for name in pipeline.needs]
        names = [f"{place[0]}.{place[1]}" for place in places if place is not None and place[3]]
        return [by_name[pipeline.domain, name] for name in names if (pipeline.domain, name) in by_name]


def read_catalogue(contracts: Path, home: Path | None = None) -> Catalogue:
    """The pipelines of every `contracts/<domain>/*.odcs.yaml`; without `home` nothing is kept for the next time."""
    kept = _kept(home)
    found: dict[str, Any] = {}
    pipelines: dict[str, Pipeline] = {}
    broken: dict[str, str] = {}
    tables: dict[tuple[str, str], tuple[str, str, str, bool]] = {}
    for path in sorted(contracts.glob(f"*/*{SUFFIX}")):
        file = f"{path.parent.name}/{path.name}"
        entry = _entry(path, file, kept, found)
        if "error" in entry:
            broken[file] = entry["error"]
        for schema, name, has_source in entry.get("tables", ()):
            place = (schema, name, file, has_source)
            tables.setdefault((path.parent.name, name), place)
            tables.setdefault((path.parent.name, f"{schema}.{name}"), place)
        for data in entry.get("pipelines", ()):
            pipeline = Pipeline.from_json(data)
            if pipeline.dag_id in pipelines:
                first = pipelines[pipeline.dag_id].file
                broken[file] = f"{pipeline.qualified_name} is declared in {first} already\n  where: {path}"
                continue
            pipelines[pipeline.dag_id] = pipeline
    if home is not None and found.keys() != kept.keys():
        _keep(home, found)
    return Catalogue(pipelines=pipelines, broken=broken, tables=tables)


def pipeline_domain(contracts: Path, domain: str, table: str) -> Domain:
    """The part of a domain that loading `table` needs: the table, those it reads or refers to, and enum types.

    A broken contract elsewhere in the domain does not matter. Raises: ConfigError when one of the tables is declared
    nowhere, or in a file that cannot be read.
    """
    readable, broken = _readable(contracts, domain)
    places: dict[str, TableContract] = {}
    for contract in readable:
        for each in contract.tables:
            for name in (each.name, each.qualified_name, each.logical_name):
                places.setdefault(str(name), each)
    wanted, chosen = [table], list[TableContract]()
    while wanted:
        name = wanted.pop()
        if name not in places:
            raise _missing(domain, table, name, broken)
        if places[name] not in chosen:
            chosen.append(places[name])
            wanted += [link.target_table for link in places[name].relationships]
            wanted += (places[name].source or {}).get("inputs") or ()
    parts = (
        replace(contract, tables=tuple(each for each in contract.tables if each in chosen)) for contract in readable
    )
    return assembled(domain, [part for part in parts if part.tables or part.enum_types])


def _readable(contracts: Path, domain: str) -> tuple[list[Contract], dict[str, ConfigError]]:
    """The contracts of a domain in order of file, and the errors of those that cannot be read."""
    readable, broken = [], {}
    for path in sorted((contracts / domain).glob(f"*{SUFFIX}")) if Path(domain).name == domain else ():
        try:
            readable.append(read_contract(read_document(path)))
        except ConfigError as error:
            broken[path.name] = error
    return readable, broken


def _missing(domain: str, table: str, name: str, broken: Mapping[str, ConfigError]) -> ConfigError:
    errors = "; ".join(f"{file}: {error.what} ({error.where})" for file, error in broken.items())
    return ConfigError(
        f"the table `{name}` is not declared" + (", or its contract is broken" if broken else ""),
        where=f"domain {domain}, needed to load {table}",
        expected=f"a contract in the domain that declares `{name}`",
        found=errors or "no such table",
        next_step=f"groundwork validate-schema {domain}",
    )


def _entry(path: Path, file: str, kept: Mapping[str, Any], found: dict[str, Any]) -> Mapping[str, Any]:
    """What is kept of the file, or derived of it now; an error is an entry too."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return {"error": f"cannot read the contract file\n  where: {path}\n  found: {error}"}
    key = hashlib.sha256(b"\x00".join((str(path).encode("utf-8", "surrogateescape"), content))).hexdigest()
    entry = kept.get(key) or _derived(path, file, content)
    found[key] = entry
    return dict(entry)


def _derived(path: Path, file: str, content: bytes) -> dict[str, Any]:
    told: list[Any] = []
    try:
        if len(content) > MOST_BYTES:
            read_document(path)
        contract = read_contract(parse_document(content.decode("utf-8-sig"), path))
        told = [[each.schema, each.name, each.source is not None] for each in contract.tables]
        made = [each.to_json() for each in pipelines_of(path.parent.name, contract, file)]
    except (GroundworkError, UnicodeDecodeError) as error:
        where = "" if str(path) in str(error) else f"\n  file: {path}"
        return {"error": f"{error}{where}", "tables": told}
    except Exception as error:  # whatever a contract holds, it must not take the Dags of others away
        _log.exception("the pipelines of %s cannot be derived", path)
        return {"error": f"{type(error).__name__}: {error}\n  file: {path}", "tables": told}
    return {"pipelines": made, "tables": told}


@cache
def _code_digest() -> str:
    """Changes with every change of the code that reads contracts or derives pipelines."""
    return hashlib.sha256(b"\x00".join(path.read_bytes() for path in _code_files())).hexdigest()


def _code_files() -> list[Path]:
    own, package = Path(__file__).parent, Path(__file__).parents[2]
    return [*sorted(own.glob("*.py")), *sorted((package / "contracts").glob("*.py"))]


def _kept(home: Path | None) -> dict[str, Any]:
    if home is None:
        return {}
    try:
        data = json.loads((home / "cache" / CACHE).read_text(encoding="utf-8"))
        entries = data["files"] if data["code"] == _code_digest() else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _keep(home: Path, found: Mapping[str, Any]) -> None:
    """Replace what is kept as a whole; a folder that cannot be written costs time, nothing else."""
    folder = home / "cache"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CACHE, json.dumps({"code": _code_digest(), "files": found}))
    except OSError as error:
        _log.info("pipelines are not kept for the next time: %s", error)
