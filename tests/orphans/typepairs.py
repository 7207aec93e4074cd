"""Every pair of types that PostgreSQL accepts at the two ends of a foreign key, found out by asking it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors

from tests.orphans.cases import Case

if TYPE_CHECKING:
    import psycopg

_INTEGERS = ("1", "2", "3", "4", "5", "6")
_TEXTS = (
    "apple",
    "Banana",
    "cherry",
    "date",
    "elder",
    "fig ",
    "grape",
    "Apple",
    "banana",
    "fig",
    "cherry ",
    "",
    "a",
    "b",
)
_DATES = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
_TIMES = ("01:00", "02:00", "03:00", "04:00")
_BITS = ("1010", "0101", "1111", "0000")
_NETS = ("10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/16", "192.168.1.0/24")
_MACS = ("08:00:2b:01:02:03", "08:00:2b:01:02:04", "08:00:2b:01:02:05", "08:00:2b:ff:fe:01")
_ENUM = ("a", "b", "c", "d")
_UUIDS = tuple(f"0000000{n}-0000-4000-8000-000000000000" for n in range(1, 5))
_ARRAYS = ("{1}", "{1,2}", "{}", "{NULL}", "{2,1}")
_RANGES = ("[1,2)", "[1,3)", "empty", "[5,)")

TYPES: dict[str, tuple[str, ...]] = {
    "int2": (*_INTEGERS, "32767"),
    "int4": (*_INTEGERS, "70000", "32767"),
    "int8": (*_INTEGERS, "5000000000", "70000"),
    "numeric": (*_INTEGERS, "1.5", "2.0", "5000000000", "NaN"),
    "numeric(4,1)": (*_INTEGERS, "1.5"),
    "float4": (*_INTEGERS, "0.1", "1.5"),
    "float8": (*_INTEGERS, "0.1", "1.5", "-0"),
    "oid": _INTEGERS,
    "regclass": _INTEGERS,
    "xid8": _INTEGERS,
    "money": _INTEGERS,
    "text": _TEXTS,
    "varchar(9)": _TEXTS,
    "varchar": _TEXTS,
    "char(9)": _TEXTS,
    "char(1)": ("a", "b", "c", "d"),
    "name": _TEXTS,
    '"char"': ("a", "b", "c", "d"),
    "citext": _TEXTS,
    "bytea": ("\\x00", "\\x01", "\\xff", "\\x0001"),
    "uuid": _UUIDS,
    "bool": ("t", "f"),
    "date": _DATES,
    "timestamp": (*_DATES, "2026-01-02 10:00"),
    "timestamptz": (*_DATES, "2026-01-02 10:00", "2026-01-03 00:00+09"),
    "time": _TIMES,
    "timetz": _TIMES,
    "interval": (*_TIMES, "24:00", "1 day"),
    "inet": (*_NETS, "10.0.0.1/8"),
    "cidr": _NETS,
    "macaddr": _MACS,
    "macaddr8": (*_MACS, "08:00:2b:01:02:03:04:05"),
    "bit(4)": _BITS,
    "varbit": (*_BITS, "1"),
    "mood": _ENUM,
    "int4[]": _ARRAYS,
    "int8[]": _ARRAYS,
    "text[]": ("{a}", "{b}", "{}", "{NULL}", '{"a "}'),
    "mood[]": ("{a}", "{b}", "{}", "{c,d}"),
    "int4range": _RANGES,
    "tstzrange": ("[2026-01-01,2026-01-02)", "[2026-01-01,2026-01-03)", "empty", "[2026-01-02,)"),
    "int4multirange": ("{[1,2)}", "{[1,2),[3,4)}", "{}", "{[5,)}"),
    "jsonb": ('{"a":1}', "[1]", "1", '{"a": 1, "b": 2}'),
    "tsvector": ("a b", "b", "c", "b a"),
    "tsquery": ("a & b", "a | b", "a", "!b"),
    "tid": ("(0,1)", "(0,2)", "(1,1)", "(1,2)"),
    "oidvector": ("1 2", "1", "2 1", "3"),
    "pg_lsn": ("0/1", "0/2", "1/0", "1/1"),
    "pair": ("(1,a)", "(2,b)", "(3,c)", "(1,A)"),
    "d_int": (*_INTEGERS, "70000"),
    "d_int2": _INTEGERS,
    "d_d_int": _INTEGERS,
    "d_text": _TEXTS,
    "d_varchar": _TEXTS,
    "d_char": _TEXTS,
    "d_citext": _TEXTS,
    "d_uuid": _UUIDS,
    "d_mood": _ENUM,
    "d_array": _ARRAYS,
    "d_range": _RANGES,
    "d_numeric": _INTEGERS,
    "d_timestamptz": _DATES,
    "d_pair": ("(1,a)", "(2,b)", "(3,c)", "(1,A)"),
}

_BEYOND = {
    ("int8", "oid"): "5000000000",
    ("int8", "regclass"): "5000000000",
    ("macaddr8", "macaddr"): "08:00:2b:01:02:03:04:05",
}
"""Values of the child that PostgreSQL cannot even compare with the parent's: its own check raises 22003 for them."""

CREATE = (
    "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd')",
    "CREATE TYPE pair AS (n int, t text)",
    "CREATE DOMAIN d_int AS int",
    "CREATE DOMAIN d_int2 AS int2",
    "CREATE DOMAIN d_d_int AS d_int",
    "CREATE DOMAIN d_text AS text",
    "CREATE DOMAIN d_varchar AS varchar(9)",
    "CREATE DOMAIN d_char AS char(9)",
    "CREATE DOMAIN d_citext AS citext",
    "CREATE DOMAIN d_uuid AS uuid",
    "CREATE DOMAIN d_mood AS mood",
    "CREATE DOMAIN d_array AS int4[]",
    "CREATE DOMAIN d_range AS int4range",
    "CREATE DOMAIN d_numeric AS numeric",
    "CREATE DOMAIN d_timestamptz AS timestamptz",
    "CREATE DOMAIN d_pair AS pair",
)


def accepted_pairs(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Each (parent, child) of TYPES between which this server makes a foreign key; nothing is left behind.

    The types of CREATE must be on the search_path. A type that the server lacks makes no pair.
    """
    found = []
    with connection.transaction(force_rollback=True):
        made = [
            (number, name)
            for number, name in enumerate(TYPES)
            if _try(connection, f"CREATE TEMP TABLE p{number} (id {name} PRIMARY KEY)")
        ]
        for number, name in made:
            connection.execute(f"CREATE TEMP TABLE c{number} (pid {name})".encode())
        for parent, parent_type in made:
            for child, child_type in made:
                add = f"ALTER TABLE pg_temp.c{child} ADD FOREIGN KEY (pid) REFERENCES pg_temp.p{parent} (id)"
                if _try(connection, add):
                    found.append((parent_type, child_type))
    return found


def _try(connection: psycopg.Connection, statement: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except (errors.DatatypeMismatch, errors.UndefinedObject, errors.InternalError_):
        # The last is how 18 says that only one of the two types has collations.
        return False
    return True


def pair_case(parent: str, child: str) -> Case:
    """The case of one pair: the parent has every other value of its type, the child all of its own, and NULLs."""
    values = [value for value in TYPES[child] if value != _BEYOND.get((child, parent))]
    literals = [*(_literal(value, child) for value in values), "NULL", "NULL"]
    return Case(
        name=f"from {child} to {parent}",
        tables=f"CREATE TABLE p (id {parent} PRIMARY KEY); CREATE TABLE c (n int, pid {child});",
        parents=tuple(f"({_literal(value, parent)})" for value in TYPES[parent][::2]),
        children=tuple(f"({number}, {literal})" for number, literal in enumerate(literals)),
        lossy=parent in {"char(1)", "date", "varchar(9)", "numeric(4,1)", "bit(4)"} and child != parent,
    )


def _literal(value: str, of_type: str) -> str:
    escaped = value.replace("'", "''")
    return f"CAST('{escaped}' AS {of_type})"
