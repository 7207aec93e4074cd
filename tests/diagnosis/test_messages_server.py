"""What real servers say of foreign keys is read as what it is, in English and in the languages that they have."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.server import EmbeddedServer
from fkexplorer.diagnosis.reading.messages import Match, could_match, match_detail, match_message, severities
from fkexplorer.diagnosis.reading.messages_pattern import data
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from tests.messages import derive
from tests.servers import SETTINGS, binaries, matrix

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = """
    CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE);
    CREATE TABLE child (id int PRIMARY KEY, parent_id int CONSTRAINT child_fk REFERENCES parent);
    CREATE TABLE pair (a int, b text, PRIMARY KEY (a, b));
    CREATE TABLE pairs (a int, b text, CONSTRAINT pairs_fk FOREIGN KEY (a, b) REFERENCES pair MATCH FULL);
    CREATE TABLE kept (id int CONSTRAINT kept_fk REFERENCES parent ON DELETE RESTRICT);
    CREATE TABLE "we,ird" ("x (y)" int CONSTRAINT "the ""fk"" one" REFERENCES parent);
    CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE to_parts (id int CONSTRAINT to_parts_fk REFERENCES parts);
    CREATE TABLE keyless (id int, late int UNIQUE DEFERRABLE);
    CREATE VIEW seen AS SELECT id FROM keyless;
    INSERT INTO parent VALUES (1, 'one'), (2, 'two'); INSERT INTO child VALUES (1, 1); INSERT INTO kept VALUES (2);
    INSERT INTO parts VALUES (1); INSERT INTO to_parts VALUES (1);
    CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
    CREATE TABLE long (id text PRIMARY KEY); CREATE TABLE to_long (id text CONSTRAINT to_long_fk REFERENCES long);
    GRANT INSERT ON child TO nosy
"""
LONG = "x" * 10_000


@dataclass(frozen=True)
class Refused:
    """A statement that is refused, and what the server's words for it say."""

    sql: str
    kind: ErrorKind
    topic: Topic = Topic.NONE
    said: tuple[tuple[str, object], ...] = ()
    role: str = "postgres"


MISSING, STILL, OTHER = ErrorKind.MISSING_PARENT, ErrorKind.STILL_REFERENCED, ErrorKind.OTHER


def refused(sql: str, kind: ErrorKind, topic: Topic = Topic.NONE, *, role: str = "postgres", **said: object) -> Refused:
    """A case, with the fields of the match that it must give."""
    return Refused(sql, kind, topic, tuple(said.items()), role)


CASES = (
    refused(
        "INSERT INTO child VALUES (2, 99)",
        MISSING,
        constraint="child_fk",
        child_table="child",
        columns=("parent_id",),
        values=("99",),
        parent_table="parent",
    ),
    refused(
        'INSERT INTO "we,ird" VALUES (99)',
        MISSING,
        constraint='the "fk" one',
        child_table="we,ird",
        columns=("x (y)",),
        values=("99",),
    ),
    refused("INSERT INTO pairs VALUES (1, 'a, b')", MISSING, columns=("a", "b"), values=("1", "a, b")),
    refused("INSERT INTO pairs VALUES (1, NULL)", MISSING, Topic.MATCH_FULL_NULLS, constraint="pairs_fk"),
    refused(
        "INSERT INTO child VALUES (2, 99)",
        MISSING,
        role="nosy",
        constraint="child_fk",
        values=None,
        parent_table="parent",
    ),
    refused(f"INSERT INTO to_long VALUES ('{LONG}')", MISSING, columns=("id",), values=(LONG,)),
    refused(
        "DELETE FROM parent WHERE id = 1",
        STILL,
        constraint="child_fk",
        parent_table="parent",
        child_table="child",
        columns=("id",),
        values=("1",),
    ),
    refused("DELETE FROM parent WHERE id = 2", STILL, constraint="kept_fk", child_table="kept", values=("2",)),
    refused("ALTER TABLE parts DETACH PARTITION parts_1", STILL, parent_table="parts_1", values=("1",)),
    refused(
        "CREATE TABLE bad (a text CONSTRAINT bad_fk REFERENCES parent)",
        ErrorKind.CANNOT_IMPLEMENT,
        constraint="bad_fk",
        columns=("a",),
        parent_columns=("id",),
        types=("text", "integer"),
    ),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES keyless (id)", ErrorKind.NO_UNIQUE, parent_table="keyless"
    ),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES keyless (late)",
        ErrorKind.NO_UNIQUE,
        Topic.DEFERRABLE_UNIQUE,
        parent_table="keyless",
    ),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES keyless", OTHER, Topic.NO_PRIMARY_KEY, parent_table="keyless"
    ),
    refused("ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES pair (a, b)", OTHER, Topic.ARITY),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES seen (id)",
        OTHER,
        Topic.PARENT_NOT_TABLE,
        parent_table="seen",
    ),
    refused("ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES unlogged", OTHER, Topic.PERSISTENCE),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (nope) REFERENCES parent", OTHER, Topic.COLUMN_MISSING, columns=("nope",)
    ),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES gone", OTHER, Topic.RELATION_MISSING, parent_table="gone"
    ),
    refused(
        "ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES public.gone",
        OTHER,
        Topic.RELATION_MISSING,
        parent_schema="public",
        parent_table="gone",
    ),
    refused("TRUNCATE pair", OTHER, Topic.TRUNCATE_REFERENCED, child_table="pairs", parent_table="pair"),
    refused(
        "DROP TABLE pair",
        OTHER,
        Topic.DROP_DEPENDENT,
        constraint="pairs_fk",
        child_table="pairs",
        parent_table="pair",
    ),
    refused(
        "ALTER TABLE pair DROP CONSTRAINT pair_pkey",
        OTHER,
        Topic.DROP_DEPENDENT,
        constraint="pairs_fk",
        parent_table="pair",
    ),
    refused("DROP TABLE keyless", OTHER, Topic.NOT_FK),
    refused(
        "ALTER TABLE child ADD CONSTRAINT child_fk FOREIGN KEY (id) REFERENCES parent",
        OTHER,
        Topic.ALREADY_EXISTS,
        constraint="child_fk",
        child_table="child",
    ),
    refused("CREATE TABLE child ()", OTHER, Topic.ALREADY_EXISTS, child_table="child"),
    refused("CREATE TYPE child AS ENUM ()", OTHER, Topic.ALREADY_EXISTS),
    refused("INSERT INTO parent VALUES (1)", OTHER, Topic.NOT_FK, constraint="parent_pkey"),
    refused("INSERT INTO parent VALUES (NULL)", OTHER, Topic.NOT_FK, columns=("id",)),
    refused("TABLE parent", OTHER, Topic.PERMISSION, role="nosy", child_table="parent"),
    refused("DROP TABLE child", OTHER, Topic.PERMISSION, role="nosy", child_table="child"),
)


def prepared(make: Callable[[str], str]) -> str:
    """A database with the tables of the cases and a role that may do little; its conninfo."""
    role = "DO $$ BEGIN CREATE ROLE nosy; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
    return make(role + SCHEMA)


def provoked(connection: psycopg.Connection, case: Refused) -> psycopg.errors.Diagnostic:
    """What the server says to the statement of a case."""
    connection.execute(f"SET ROLE {case.role}")
    try:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(case.sql.encode())
    finally:
        connection.execute("RESET ROLE")
    return caught.value.diag


def check(case: Refused, said: psycopg.errors.Diagnostic) -> Match:
    """The server's words are read as the case means; the match."""
    assert said.message_primary is not None
    assert could_match(said.message_primary.encode())
    match = match_message(said.message_primary)
    if said.message_detail is not None:
        match = match_detail(said.message_detail, match)
    assert match is not None, said.message_primary
    assert (match.kind, match.topic) == (case.kind, case.topic)
    assert {name: getattr(match, name) for name, _ in case.said} == dict(case.said)
    return match


@pytest.mark.matrix
def test_what_a_server_says_is_read(make_database: Callable[[str], str]) -> None:
    with psycopg.connect(prepared(make_database), autocommit=True) as connection:
        for case in CASES:
            said = provoked(connection, case)
            assert check(case, said).sqlstate == said.sqlstate


def test_two_starts_at_once_are_told_from_a_duplicate_key(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("CREATE TABLE waits ()")
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with (
        psycopg.connect(conninfo) as first,
        psycopg.connect(conninfo, autocommit=True) as second,
        psycopg.connect(conninfo, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as other,
    ):
        first.execute("CREATE TABLE twice ()")
        late = other.submit(second.execute, "CREATE TABLE IF NOT EXISTS twice ()")
        while not late.done() and not watcher.execute(waiting).fetchone():
            time.sleep(0.01)
        first.commit()
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            late.result()
    match = match_message(caught.value.diag.message_primary or "")
    assert match is not None
    assert match.topic is Topic.ALREADY_EXISTS
    match = match_detail(caught.value.diag.message_detail or "", match)
    assert match is not None
    assert match.child_table == "twice"
    assert match.constraint == caught.value.diag.constraint_name
    assert match.values is None


def test_what_a_server_says_in_its_other_languages_is_read(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path("/usr/lib/locale/C.utf8")
    paths = catalogues("postgres-15")
    if "15" not in matrix() or not own.is_dir() or not paths:
        pytest.skip("no server that has its catalogues")
    languages = [path.parts[-3] for path in paths]
    for language in languages:  # The name of the locale chooses the catalogue; what else is in it does not matter.
        (open_folder / f"{language}.UTF-8").symlink_to(own)
    monkeypatch.setenv("LOCPATH", str(open_folder))
    with (
        EmbeddedServer.start(settings=SETTINGS, binaries=binaries("15")) as server,
        psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection,
    ):
        connection.execute("CREATE ROLE nosy")
        connection.execute(SCHEMA)
        for language in languages:
            connection.execute(f"SET lc_messages = '{language}.UTF-8'")
            read = [check(case, provoked(connection, case)) for case in CASES]
            assert language in {match.language for match in read}
            assert severities()[provoked(connection, CASES[0]).severity or ""] == "ERROR"


def catalogues(name: str) -> list[Path]:
    """The server's message catalogues of this machine."""
    return sorted(Path("/usr/share/locale").glob(f"*/LC_MESSAGES/{name}.mo"))


def test_the_data_file_holds_what_the_catalogues_of_this_machine_say() -> None:
    paths = catalogues("postgres-15")
    if not paths:
        pytest.skip("no server that has its catalogues")
    found = derive(paths)
    assert len(found["texts"]) > 40
    for text, languages in found["texts"].items():
        for language, translations in languages.items():
            assert set(translations) <= set(data()["texts"][text][language])
    for name, words in found["words"].items():
        assert set(words) <= set(data()["words"][name])
