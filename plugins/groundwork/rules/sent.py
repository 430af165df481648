"""What a module sends to databases: each call that takes SQL with the texts it can be given.

A function of the project that hands a parameter on to such a call takes SQL itself, in whatever module it stands, so
that a detour through one's own `run(sql)` is seen where the SQL is written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.rules.code.invocation import Invocation, invocations
from groundwork.rules.code.module import Module
from groundwork.rules.code.origin import ClassOrigin, field_names
from groundwork.rules.code.resolve import Resolver
from groundwork.rules.code.scope import Scope
from groundwork.rules.code.strings import Strings
from groundwork.rules.code.text import Gap, Text
from groundwork.rules.declared import Declared
from groundwork.rules.interfaces import Interface, Trust, interface_of
from groundwork.rules.sql.statement import Certainty, Statement, begins_like_sql, certainty, parse

_ONE_WORD = re.compile(r"[\w.'\"]*")
_ROUNDS = 4  # functions that hand SQL on to each other


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One text that a call sends; `through` is the function of the project that takes it, null when none does."""

    call: ast.Call
    scope: Scope
    module: Module
    interface: Interface
    invocation: Invocation
    text: Text
    statement: Statement
    through: str | None = None


Takers = dict[tuple[Scope, str], Interface]


class Senders:
    """Finds what modules of a project send; what functions take is remembered per module."""

    def __init__(self, resolver: Resolver, strings: Strings, declared: Declared) -> None:
        self._resolver = resolver
        self._strings = strings
        self._declared = declared
        self._invocations: dict[Module, tuple[Invocation, ...]] = {}
        self._takers: dict[Module, Takers] = {}

    def invocations(self, module: Module) -> tuple[Invocation, ...]:
        """Every call of a module."""
        if module not in self._invocations:
            found = [each for site in module.calls for each in invocations(site, module, self._resolver)]
            self._invocations[module] = tuple(found)
        return self._invocations[module]

    def sent(self, module: Module) -> Iterator[Sent]:
        """Everything that a module sends."""
        self.takers(module)
        for invocation in self.invocations(module):
            for interface, value, through in self._taken(invocation):
                yield from self._texts(invocation, interface, value, through)

    def takers(self, module: Module) -> Takers:
        """The parameters of a module's functions that reach a database, and the fields of its classes."""
        if module in self._takers:
            return self._takers[module]
        found: Takers = {}
        self._takers[module] = found
        for _ in range(_ROUNDS):
            before = len(found)
            for invocation in self.invocations(module):
                for interface, value, _ in self._taken(invocation):
                    for text in self._values(invocation, value):
                        taker = text.leading_parameter
                        if taker is not None and text.wrapped is None:
                            found.setdefault(taker, interface)
            if len(found) == before:
                break
        return found

    def _taken(self, invocation: Invocation) -> Iterator[tuple[Interface, ast.expr, str | None]]:
        """The arguments of a call that it takes as SQL."""
        origin = invocation.origin
        if isinstance(origin, str):
            interface = interface_of(origin, len(invocation.positional), frozenset(invocation.named))
            value = self._argument(invocation, interface) if interface is not None else None
            if interface is not None and value is not None:
                yield interface, value, None
            return
        yield from self._handed_on(invocation)

    def _argument(self, invocation: Invocation, interface: Interface) -> ast.expr | None:
        first = invocation.argument(interface.position, *interface.names)
        is_method_of_type = interface.position == 0 and len(invocation.positional) > 1 and not invocation.is_passed
        if is_method_of_type and not self._is_text(invocation, first):
            second = invocation.positional[1]  # type(cursor).execute(cursor, sql)
            return second if self._is_text(invocation, second) else first
        return first

    def _is_text(self, invocation: Invocation, value: ast.expr | None) -> bool:
        return value is not None and any(not text.is_unknown for text in self._values(invocation, value))

    def _handed_on(self, invocation: Invocation) -> Iterator[tuple[Interface, ast.expr, str | None]]:
        origin = invocation.origin
        function = None if isinstance(origin, str) else self._resolver.called(origin)
        if function is not None:
            takers = self.takers(function.module)
            names = [argument.arg for argument in (*function.node.args.posonlyargs, *function.node.args.args)]
            names = names[1:] if function.is_bound else names
            every = [*names, *(argument.arg for argument in function.node.args.kwonlyargs)]
            said = getattr(function.node, "name", "a lambda")
            scope = function.scope
        elif isinstance(origin, ClassOrigin):
            takers, scope = self.takers(origin.module), origin.scope
            names = every = field_names(scope)
            said = origin.node.name
        else:
            return
        for name in every:
            interface = takers.get((scope, name))
            position = names.index(name) if name in names else None
            value = invocation.argument(position, name) if interface else None
            if interface is not None and value is not None:
                yield interface, value, said

    def _values(self, invocation: Invocation, value: ast.expr) -> Iterator[Text]:
        if invocation.has_elements:
            yield from self._strings.elements(value, invocation.scope, invocation.module)
        else:
            yield from self._strings.of(value, invocation.scope, invocation.module)

    def _texts(
        self, invocation: Invocation, interface: Interface, value: ast.expr, through: str | None
    ) -> Iterator[Sent]:
        for text in self._values(invocation, value):
            if text.wrapped is not None:
                continue  # told where it is marked as SQL
            statement = self._statement(text)
            if _counts(interface, text, statement, self._declared, is_handed_on=through is not None):
                yield Sent(
                    call=invocation.node,
                    scope=invocation.scope,
                    module=invocation.module,
                    interface=interface,
                    invocation=invocation,
                    text=text,
                    statement=statement,
                    through=through,
                )

    def _statement(self, text: Text) -> Statement:
        if text.is_unknown or not _may_be_sql(text):
            return Statement(sql=text.known, error="this does not begin like SQL")
        return parse(parts_of(text))


def _may_be_sql(text: Text) -> bool:
    """Whether a text begins like SQL, or with a gap that can be its first word."""
    is_gap_first = bool(text.parts) and isinstance(text.parts[0], Gap)
    return begins_like_sql(text.known) or (is_gap_first and len(text.known.split()) > 1)


def parts_of(text: Text) -> tuple[str | tuple[str], ...]:
    """The parts of a text as the parser of templates takes them."""
    return tuple((part.code,) if isinstance(part, Gap) else part for part in text.parts)


def _counts(interface: Interface, text: Text, statement: Statement, declared: Declared, *, is_handed_on: bool) -> bool:
    """Whether a text that goes to an interface is SQL for us."""
    if text.file is not None:
        return True
    if text.is_unknown:
        return interface.trust is Trust.ANYTHING and not is_handed_on
    if interface.trust is Trust.ANYTHING:
        return any(letter.isalpha() for letter in text.known)  # and not what stands between two parts
    if interface.trust is Trust.TEXT:
        return _ONE_WORD.fullmatch(text.known.strip()) is None
    needed = Certainty.PERHAPS if interface.trust is Trust.HINTED else Certainty.YES
    return _may_be_sql(text) and certainty(statement, declared.is_declared) >= needed
