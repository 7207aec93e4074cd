"""Which columns the text of a query compares with each other: what somebody joins, belongs together.

A reader of tokens with scopes, no parser: it takes the bodies of PL/pgSQL as well as views, and some 0.3 s for 2 MB,
for which a parser of SQL takes 4 s and reads no PL/pgSQL. What it does not understand it passes over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.inference.model import Join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fkexplorer.schema.model import Schema, Table

# Possessive, from the beginning of a word on, and a string or a comment without an end goes to the end: no text takes
# more than a time in proportion to its length.
_NAME = r'(?:[^\W\d][\w$]*+|"(?:[^"]|"")++")'
_CHAIN = rf"{_NAME}(?:\.{_NAME})*+"
_TYPE = (
    rf"(?:character varying|double precision|bit varying|time(?:stamp)? with(?:out)? time zone|{_CHAIN})"
    r"(?:\(\d+(?:,\d+)?\))?(?:\[\])?"
)
# A view shows a comparison of varchar as ((a.x)::text = b.y).
_CAST = re.compile(rf'\(({_CHAIN})\)::{_TYPE}|(?<![\w$".])({_CHAIN})::{_TYPE}')
_QUALIFIED_EQUALS = re.compile(rf"\bOPERATOR\((?:{_NAME}\.)?=\)", re.IGNORECASE)
_TOKEN = re.compile(
    r"(?P<skip>\s++|--[^\n]*+|/\*(?:.*?\*/|.*)|[eE]'(?:[^'\\]|''|\\.)*+'?|'(?:[^']|'')*+'?)"
    rf"|(?P<name>{_CHAIN})|(?P<operator>[-+*/<>=~!@#%^&|`?]++)|(?P<mark>[(),;])|(?P<other>.)",
    re.DOTALL,
)
_PARTS = re.compile(_NAME)
_CTE = re.compile(rf"\b(?:WITH|RECURSIVE|\)\s*,)\s+({_NAME})\s*(?:\([^()]*\)\s*)?AS\b", re.IGNORECASE)
# What follows a table in FROM and is no alias of it.
_NO_ALIAS_TEXT = """
on using where join left right inner full cross natural group order having union except intersect limit offset fetch for
set returning values window loop then when tablesample select from do as and or not default with into
"""
_NO_ALIAS = frozenset(_NO_ALIAS_TEXT.split())
_ENDS_LIST_TEXT = "where group order having union except intersect limit offset window returning set loop"
_ENDS_LIST = frozenset(_ENDS_LIST_TEXT.split())
_BEFORE_TABLE = frozenset({"from", "join", "update", "into"})


@dataclass(frozen=True, slots=True)
class Body:
    """The text of a view or a function."""

    schema: str
    """Of itself: a table without a schema is one beside it."""
    label: str
    """`schema.name`, for people."""
    text: str


@dataclass(slots=True)
class _Scope:
    """What the names of tables mean in one SELECT."""

    above: _Scope | None = None
    tables: dict[str, Table | None] = field(default_factory=dict)

    def find(self, name: str) -> Table | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.tables:
                return scope.tables[name]
            scope = scope.above
        return None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        """A name of one part without quotes, in lower case, as key words are; else nothing."""
        return self.text.lower() if self.kind == "name" and self.text[0] != '"' and "." not in self.text else ""


_END = _Token("mark", ";")


def joins_of(schema: Schema, bodies: Iterable[Body]) -> tuple[Join, ...]:
    """The pairs of columns that any of the texts compares by `=` or USING, each once for each text.

    Args:
        schema: whose tables they may name.
        bodies: SQL or PL/pgSQL.
    """
    tables: dict[str, list[Table]] = {}
    for table in schema.tables.values():
        tables.setdefault(table.name, []).append(table)
    found: dict[Join, None] = {}
    for body in bodies:
        found |= dict.fromkeys(_Reader(tables, body).joins())
    return tuple(found)


class _Reader:
    """Reads one text."""

    def __init__(self, tables: dict[str, list[Table]], body: Body) -> None:
        self._known = tables
        self._body = body
        text = _QUALIFIED_EQUALS.sub("=", body.text)
        for _ in range(3):  # a cast of a cast
            text, changed = _CAST.subn(r"\1\2", text)
            if not changed:
                break
        self._ctes = {_parts(match[1])[0] for match in _CTE.finditer(text)}
        self._tokens = [
            _Token(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(text) if match.lastgroup != "skip"
        ]
        self._scope = _Scope()
        self._listing = False
        """Whether a comma is followed by another table."""
        self._expecting = False
        """Whether the next name is a table's."""
        self._outer: list[tuple[_Scope, bool]] = []
        self._latest: Table | None = None
        self._compared: list[tuple[_Scope, Sequence[str], Sequence[str]]] = []
        self._joined: list[tuple[tuple[int, int], tuple[int, int]]] = []

    def joins(self) -> Iterator[Join]:
        """All that it compares."""
        for at, token in enumerate(self._tokens):
            if token.kind == "mark":
                self._mark(at, token.text)
            elif token.kind == "operator" and token.text == "=":
                self._equals(at)
            elif token.kind == "name":
                self._name(at, token)
        # A column of the list may be compared before FROM tells what its table is.
        for scope, left, right in self._compared:
            one, other = self._column(scope, left), self._column(scope, right)
            if one and other and one != other:
                yield Join(one, other, self._body.label)
        for one, other in self._joined:
            yield Join(one, other, self._body.label)

    def _at(self, at: int) -> _Token:
        return self._tokens[at] if 0 <= at < len(self._tokens) else _END

    def _mark(self, at: int, mark: str) -> None:
        if mark == "(":
            self._outer.append((self._scope, self._listing))
            self._listing &= self._expecting
        elif mark == ")":
            if self._outer:
                self._scope, self._listing = self._outer.pop()
            self._expecting = False
            if self._listing and (alias := self._alias(at + 1)):
                self._scope.tables[alias] = None  # of a subquery or a function: no table
        elif mark == ",":
            self._expecting |= self._listing
        else:
            self._scope, self._listing, self._expecting = _Scope(), False, False

    def _name(self, at: int, token: _Token) -> None:
        word = token.word
        if word == "select":
            self._scope = _Scope(self._outer[-1][0] if self._outer else None)
            self._listing = self._expecting = False
        elif word in _BEFORE_TABLE:
            self._expecting = True
            self._listing |= word == "from"
        elif word == "using":
            self._using(at)
        elif word in _ENDS_LIST or word == "on":
            self._listing &= word == "on"
            self._expecting = False
        elif self._expecting and word not in {"lateral", "only"}:
            self._expecting = False
            if self._at(at + 1).text != "(":
                self._table(at, _parts(token.text))

    def _table(self, at: int, parts: Sequence[str]) -> None:
        self._latest = self._resolved(parts)
        self._scope.tables[self._alias(at + 1) or parts[-1]] = self._latest

    def _alias(self, at: int) -> str:
        """The alias that begins there, or nothing."""
        if self._at(at).word == "as":
            at += 1
        token = self._at(at)
        named = token.kind == "name" and token.word not in _NO_ALIAS
        return parts[0] if named and len(parts := _parts(token.text)) == 1 else ""

    def _using(self, at: int) -> None:
        """`JOIN b USING (x)`; else what DELETE and MERGE take their rows from."""
        if self._at(at + 1).text != "(" or self._at(at + 2).word == "select":
            self._expecting = self._listing = True
            return
        right = self._latest
        at += 2
        while right is not None and self._at(at).kind == "name":
            [name, *_] = _parts(self._at(at).text)
            left = [table for table in self._scope.tables.values() if table and table is not right]
            columns = {table.oid: number for table in left if (number := _number(table, name)) is not None}
            own = _number(right, name)
            if own is not None and len(columns) == 1:
                [one] = columns.items()
                self._joined.append((one, (right.oid, own)))
            at += 2

    def _equals(self, at: int) -> None:
        left, right = self._at(at - 1), self._at(at + 1)
        before, after = self._at(at - 2), self._at(at + 2)
        # Part of a larger expression, or a function's result.
        if before.kind == "operator" or after.kind in {"operator", "other"} or after.text == "(":
            return
        if left.kind == right.kind == "name" and "." in left.text and "." in right.text:
            self._compared.append((self._scope, _parts(left.text), _parts(right.text)))

    def _column(self, scope: _Scope, parts: Sequence[str]) -> tuple[int, int] | None:
        table = scope.find(parts[0]) if len(parts) == 2 else self._resolved(parts[:-1])
        number = _number(table, parts[-1]) if table else None
        return (table.oid, number) if table and number is not None else None

    def _resolved(self, parts: Sequence[str]) -> Table | None:
        """The table that a name means: without a schema the one beside the text, that of public, or the only one."""
        found = self._known.get(parts[-1], [])
        if len(parts) > 1:
            return next((table for table in found if table.schema == parts[-2]), None)
        if parts[0] in self._ctes:
            return None
        near = [table for schema in (self._body.schema, "public") for table in found if table.schema == schema]
        return near[0] if near else found[0] if len(found) == 1 else None


def _parts(chain: str) -> list[str]:
    return [part[1:-1].replace('""', '"') if part[0] == '"' else part.lower() for part in _PARTS.findall(chain)]


def _number(table: Table, name: str) -> int | None:
    return next((column.number for column in table.columns if column.name == name), None)
