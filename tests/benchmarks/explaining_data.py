"""The schema of the explaining benchmark: 100 tables, a few of which have most of the rows, and keys of every cost.

| table | of 20 parts of the rows | key | refers to |
|---|---|---|---|
| account | 2 | uuid | |
| profile | 2, without one in `LACKING` | uuid | account, one to one |
| document | 3 | uuid | profile |
| customer | 2 | bigint | account (no index) |
| orders | 4 | bigint | customer, and as approved_by (no index) |
| event | 5, wide | bigint | customer (no index), account (no index) |
| small_01 to small_94 | 2 in all | bigint | customer (every second with an index), account (every third) |

Every row refers to one that is there; each customer has two orders.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = 94
LACKING = 50
"""An account whose number this divides has no profile."""
_PARTS = 20
_LACKING_ONE = uuid.UUID(hashlib.md5(f"a{LACKING}".encode(), usedforsecurity=False).hexdigest())
_NOT_PRESENT = """\
ERROR:  insert or update on table "{child}" violates foreign key constraint "{child}_{column}_fkey"
DETAIL:  Key ({column})=({value}) is not present in table "{parent}".
"""
_REFERENCED = """\
ERROR:  update or delete on table "customer" violates foreign key constraint "{child}_customer_id_fkey" on table \
"{child}"
DETAIL:  Key (id)=(7) is still referenced from table "{child}".
"""
ERRORS = {
    "missing, with its row": _NOT_PRESENT.format(
        child="orders", column="customer_id", value="999999999999", parent="customer"
    )
    + "STATEMENT:  INSERT INTO orders (id, customer_id, approved_by) VALUES (888888888888, 999999999999, 7)\n",
    "missing, child not indexed": _NOT_PRESENT.format(
        child="event", column="account_id", value="acb42b05-c3e7-4818-aedb-42f95a2f3b54", parent="account"
    ),
    "gap": _NOT_PRESENT.format(child="document", column="profile_id", value=_LACKING_ONE, parent="profile"),
    "referenced": _REFERENCED.format(child="orders"),
    "referenced, child not indexed": _REFERENCED.format(child="event"),
}
"""An error of each kind, as psql and the server's log print it."""


def build(conninfo: str, rows: int) -> None:
    """Make and analyse the tables in an empty database.

    Statements run one by one in autocommit: with `wal_level = minimal` a table that is made by its own rows is not
    logged.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '256MB'")
        connection.execute("SET work_mem = '128MB'")
        for statement in _statements(rows):
            connection.execute(statement.encode())


def _statements(rows: int) -> Iterator[str]:
    part = rows // _PARTS
    accounts, customers = 2 * part, 2 * part
    yield _made("account", accounts, "md5('a' || n)::uuid AS id, now() - n * interval '1 s' AS created_at")
    yield f"""CREATE TABLE profile AS SELECT md5('a' || n)::uuid AS id, 'profile ' || n AS name
        FROM generate_series(1::bigint, {accounts}) AS n WHERE n % {LACKING} <> 0"""
    # 50 divides 100: the number of none that refers to a profile ends in 00.
    profile = f"md5('a' || 1 + (n * 7919 % {accounts // 100}) * 100)::uuid"
    yield _made("document", 3 * part, f"md5('d' || n)::uuid AS id, {profile} AS profile_id, 'title ' || n AS title")
    account = f"md5('a' || 1 + n * 7919 % {accounts})::uuid AS account_id"
    customer = f"1 + n * 7919 % {customers} AS customer_id"
    yield _made("customer", customers, f"n AS id, {account}, 'customer ' || n AS name")
    approved = f"1 + n * 104729 % {customers} AS approved_by"
    yield _made("orders", 4 * part, f"n AS id, {customer}, {approved}, n % 1000 / 10.0 AS total")
    yield _made("event", 5 * part, f"n AS id, {customer}, {account}, repeat('x', 180) AS payload")
    for table in _SMALL_NAMES:
        yield _made(table, max(1, 2 * part // SMALL), f"n AS id, {customer}, {account}, 'note ' || n AS note")
    for table in TABLES:
        yield f"ALTER TABLE {table} ADD PRIMARY KEY (id)"
    for table, column in _INDEXED:
        yield f"CREATE INDEX ON {table} ({column})"
    for child, column, parent in _EDGES:
        yield f"ALTER TABLE {child} ADD FOREIGN KEY ({column}) REFERENCES {parent}"
    yield "VACUUM (ANALYZE)"


def _made(table: str, rows: int, columns: str) -> str:
    return f"CREATE TABLE {table} AS SELECT {columns} FROM generate_series(1::bigint, {rows}) AS n"


_SMALL_NAMES = [f"small_{n:02}" for n in range(1, SMALL + 1)]
TABLES = ("account", "profile", "document", "customer", "orders", "event", *_SMALL_NAMES)
_EDGES = [
    ("profile", "id", "account"),
    ("document", "profile_id", "profile"),
    ("customer", "account_id", "account"),
    ("orders", "customer_id", "customer"),
    ("orders", "approved_by", "customer"),
    ("event", "customer_id", "customer"),
    ("event", "account_id", "account"),
    *((table, "customer_id", "customer") for table in _SMALL_NAMES),
    *((table, "account_id", "account") for table in _SMALL_NAMES),
]
_INDEXED = [
    ("document", "profile_id"),
    ("orders", "customer_id"),
    *((table, "customer_id") for table in _SMALL_NAMES[::2]),
    *((table, "account_id") for table in _SMALL_NAMES[::3]),
]
