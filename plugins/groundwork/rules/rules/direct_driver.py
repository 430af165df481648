"""Databases are reached through Airflow's connections and the repositories, never by a driver of one's own.

Refused are the import of a database driver (psycopg, psycopg2, asyncpg, pymysql, MySQLdb, mysql.connector, sqlite3,
pyodbc, cx_Oracle, oracledb, duckdb, clickhouse and their kin), under whatever name and by whatever detour
(`importlib.import_module`, `__import__`, `exec`), its connecting calls, and starting a client program such as `psql`.

Why: a connection of one's own has its own secret, no role, no mask, no time limit and no audit, and ORBT cannot tell
it from a stranger's.

Instead: `groundwork.operators.connections.engine(connection_id)` hands an engine to `Repositories(engine, domain)`.
An import for annotations only (`if TYPE_CHECKING:`) is fine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from groundwork.model.vocabulary import Severity
from groundwork.rules.code.dynamic import constant_text, module_of
from groundwork.rules.code.invocation import Invocation
from groundwork.rules.libraries import PROGRAMS, connects_directly, driver_of
from groundwork.rules.subject import Problem, PythonSubject

SEVERITY = Severity.ERROR
_ADVICE = (
    "engine = groundwork.operators.connections.engine(connection_id), then "
    "Repositories(engine, domain)[table] reads and writes as its contract allows"
)
_STARTS = frozenset(
    ["subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen",
     "subprocess.getoutput", "subprocess.getstatusoutput", "os.system", "os.popen", "os.execvp", "os.execv",
     "os.execlp", "os.spawnvp", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell",
     "asyncio.subprocess.create_subprocess_exec"]
)  # fmt: skip


def check(subject: PythonSubject) -> Iterator[Problem]:
    """Imports, connecting calls, imports by name, code in strings and client programs."""
    yield from _imports(subject)
    seen: set[tuple[ast.Call, str]] = set()
    for invocation in subject.invocations:
        for message in _calls(invocation):
            if (invocation.node, message) not in seen:
                seen.add((invocation.node, message))
                yield Problem(span=subject.span(invocation.node), message=message, advice=_ADVICE)


def _imports(subject: PythonSubject) -> Iterator[Problem]:
    for site in subject.module.imports:
        node = site.node
        if site.place.is_typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            source = subject.module.absolute(node)
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)] if not node.level else []
        drivers = dict.fromkeys(driver for name in names if (driver := driver_of(name)))
        for driver in drivers:
            yield Problem(span=subject.span(node), message=f"the driver `{driver}` is imported", advice=_ADVICE)


def _calls(invocation: Invocation) -> Iterator[str]:
    path = invocation.origin
    if not isinstance(path, str):
        return
    if connects_directly(path) or (driver_of(path) and path.endswith(".connect") and "()." not in path):
        yield f"`{path}()` connects past the repositories"
    elif path in _STARTS or path.endswith(("BashOperator", "SSHOperator", "DockerOperator", "KubernetesPodOperator")):
        yield from _program(invocation)
    else:
        name = module_of(path, invocation.node, lambda node: constant_text(node, invocation.scope, invocation.module))
        driver = driver_of(name) if name else None
        if driver:
            yield f"the driver `{driver}` is imported by its name"


def _program(invocation: Invocation) -> Iterator[str]:
    """A client program of a database that is started."""
    given = invocation.argument(0, "args", "bash_command", "command", "cmd", "cmds", "program")
    words = given.elts if isinstance(given, ast.List | ast.Tuple) else [given] if given is not None else []
    for position, word in enumerate(words):
        text = constant_text(word, invocation.scope, invocation.module)
        if text is None and isinstance(word, ast.JoinedStr) and word.values:
            text = constant_text(word.values[0], invocation.scope, invocation.module)
        programs = [_first_word(part) for part in _commands(text or "")] if position == 0 else []
        for program in programs:
            if program in PROGRAMS:
                yield f"the client program `{program}` is started"


def _commands(text: str) -> list[str]:
    """The commands of a line for a shell."""
    for separator in ("&&", "||", ";", "|", "\n"):
        text = text.replace(separator, "\0")
    return [part.strip() for part in text.split("\0") if part.strip()]


def _first_word(command: str) -> str:
    words = [word for word in command.split() if "=" not in word and word not in ("sudo", "exec", "env", "time")]
    return PurePosixPath(words[0]).name if words else ""
