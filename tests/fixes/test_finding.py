"""Parents found by a few letters, on a real server: what is searched, what is shown, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import finding
from fkexplorer.fixes.finding import HITS, Hit, find_parents, written_key
from fkexplorer.schema.names import find_edges
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.fixes.finding import Found

SCRIPT = """
CREATE TABLE people (id int PRIMARY KEY, first_name text, email varchar(80) UNIQUE, bio text, api_token text);
INSERT INTO people SELECT n, 'Person ' || n, 'p' || n || '@example.org', 'no_100% bio', 'hush' || n
 FROM generate_series(1, 2000) n;
CREATE TABLE teams (code text PRIMARY KEY, title text);
INSERT INTO teams VALUES ('BOS', 'Boston'), ('BSN', 'Braves'), ('bos', 'little'), ('ATL', 'Boss of all'),
 ('ÖST', E'\\x1b[1m');
CREATE TABLE devices (id uuid PRIMARY KEY, label text);
INSERT INTO devices SELECT ('d78a04ae-5a41-4c7e-9d0b-00000000000' || n)::uuid, 'device ' || n
 FROM generate_series(0, 3) n;
INSERT INTO devices VALUES ('e0000000-0000-4000-8000-000000000000', NULL);
CREATE TABLE bins (warehouse char(3), bin text, PRIMARY KEY (warehouse, bin));
INSERT INTO bins VALUES ('BRS', 'A-01'), ('BRS', 'A-02'), ('BRS', 'B,01'), ('LEJ', 'A-01');
CREATE TABLE vaults (secret text PRIMARY KEY);
INSERT INTO vaults VALUES ('hush');
CREATE TABLE days (day date PRIMARY KEY, title text);
INSERT INTO days VALUES ('2025-01-02', 'a day');
CREATE TABLE c (person int CONSTRAINT to_people REFERENCES people, team text CONSTRAINT to_teams REFERENCES teams,
 device uuid CONSTRAINT to_devices REFERENCES devices, w char(3), b text, v text CONSTRAINT to_vaults REFERENCES vaults,
 day date CONSTRAINT to_days REFERENCES days,
 CONSTRAINT to_bins FOREIGN KEY (w, b) REFERENCES bins);
ANALYZE people;
"""


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    return make_database(SCRIPT)


async def find(url: str, edge: str, text: str, *, max_bytes: int = 1 << 30, role: str | None = None) -> Found:
    async with opened(url, role) as (database, schema):
        [found] = find_edges(schema, edge)
        return await find_parents(database, schema, found, text, max_bytes=max_bytes)


def keys(found: Found) -> list[str]:
    return [written_key(hit) for hit in found.hits]


async def test_by_key_and_by_words(url: str) -> None:
    found = await find(url, "to_people", "12")
    assert keys(found)[:3] == ["12", "120", "121"]
    assert (len(found.hits), found.more) == (HITS, True)
    assert found.hits[0].label == ("Person 12", "p12@example.org", "no_100% bio")
    assert found.searched == ("first_name", "email", "bio")
    assert keys(await find(url, "to_people", "son 1999")) == ["1999"]
    assert keys(await find(url, "to_people", "P77@EXAMPLE.org")) == ["77"]
    # Neither a percent sign nor an underscore stands for anything.
    assert keys(await find(url, "to_people", "p_7@")) == keys(await find(url, "to_people", "nobody")) == []
    assert len((await find(url, "to_people", "_100% ")).hits) == HITS
    assert keys(await find(url, "to_people", " ")) == []


@pytest.mark.parametrize(
    ("edge", "text", "expected"),
    [
        ("to_teams", "BO", ["BOS", "ATL", "bos"]),
        ("to_teams", "Ö", ["ÖST"]),
        ("to_teams", "little", ["bos"]),
        ("to_devices", "D78A", [f"d78a04ae-5a41-4c7e-9d0b-00000000000{n}" for n in range(4)]),
        (
            "to_devices",
            "e",
            ["e0000000-0000-4000-8000-000000000000", *[f"d78a04ae-5a41-4c7e-9d0b-00000000000{n}" for n in range(4)]],
        ),
        ("to_devices", "device 2", ["d78a04ae-5a41-4c7e-9d0b-000000000002"]),
        ("to_bins", "BRS", ["BRS,A-01", "BRS,A-02", 'BRS,"B,01"']),
        ("to_bins", "BRS,A", ["BRS,A-01", "BRS,A-02"]),
        ("to_bins", 'BRS,"B,', ['BRS,"B,01"']),
        ("to_bins", "A-01", ["BRS,A-01", "LEJ,A-01"]),
        ("to_days", "2025-01-02", ["2025-01-02"]),
        ("to_days", "a d", ["2025-01-02"]),
        ("to_days", "no day", []),
        ("to_people", "99999999999999999999", []),
    ],
)
async def test_kinds_of_keys(url: str, edge: str, text: str, expected: list[str]) -> None:
    assert keys(await find(url, edge, text)) == expected


async def test_secrets_are_neither_searched_nor_shown(url: str) -> None:
    found = await find(url, "to_people", "hush")
    assert found.hits == ()
    found = await find(url, "to_people", "1")
    assert "hush" not in str(found)
    found = await find(url, "to_vaults", "h")
    assert found.hits == ()
    assert "named like a secret" in found.note


async def test_over_the_limit_only_beginnings_by_an_index(url: str) -> None:
    found = await find(url, "to_people", "1999", max_bytes=1 << 10)
    assert found.hits == (Hit(("1999",), ("Person 1999", "p1999@example.org", "no_100% bio")),)
    assert "over the limit" in found.note
    assert "the key and email" in found.note
    assert found.searched == ("email",)
    assert keys(await find(url, "to_people", "p1999", max_bytes=1 << 10)) == ["1999"]
    assert keys(await find(url, "to_people", "Person 1999", max_bytes=1 << 10)) == []


async def test_over_the_limit_no_table_is_read(url: str) -> None:
    asked: list[tuple[str, Any]] = []
    async with opened(url) as (database, schema):
        [edge] = find_edges(schema, "to_people")
        engine = database._engine.sync_engine

        @event.listens_for(engine, "before_cursor_execute")
        def listen(*sent: Any) -> None:  # noqa: ANN401 - the connection, the cursor, the statement, its parameters, …
            asked.append(sent[2:4])

        await find_parents(database, schema, edge, "12", max_bytes=1 << 10)
        looks = [each for each in asked if "people" in each[0]]
        assert len(looks) == 2
        async with database.read() as connection:
            for statement, parameters in looks:
                found = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                plan = "\n".join(found.scalars())
                assert "Index" in plan
                assert "Seq Scan" not in plan, plan


async def test_what_takes_too_long_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "CREATE TABLE slow (id int PRIMARY KEY, name text); CREATE TABLE s (id int CONSTRAINT to_slow REFERENCES slow)"
    )
    await run(url, script)
    monkeypatch.setattr(finding, "WITHIN_MS", 100)
    async with opened(url) as (database, schema):
        [edge] = find_edges(schema, "to_slow")
        # Whoever reads a name sleeps.
        await run(
            url,
            "DROP TABLE s; ALTER TABLE slow RENAME TO there; INSERT INTO there VALUES (7, 'x');"
            " CREATE VIEW slow AS SELECT id, (SELECT name FROM pg_sleep(30)) AS name FROM there",
        )
        # Not even the key is there without its words.
        with pytest.raises(Trouble) as raised:
            await find_parents(database, schema, edge, "7", max_bytes=1 << 30)
        assert raised.value.code == "timed_out"
        found = await find_parents(database, schema, edge, "8", max_bytes=1 << 30)
    assert (found.hits, found.searched) == ((), ())
    assert "took more than 0.1 s" in found.note


async def test_row_security_and_privileges_say_so(url: str) -> None:
    await run(
        url,
        "CREATE TABLE guarded (id int PRIMARY KEY, name text);"
        " CREATE TABLE g (id int CONSTRAINT to_guarded REFERENCES guarded);"
        " INSERT INTO guarded VALUES (1, 'one')",
    )
    async with new_role(url) as role:
        security = f"GRANT SELECT ON guarded TO {role}; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY"
        for script, code in (("", "denied"), (security, "row_security")):
            await run(url, script)
            with pytest.raises(Trouble) as raised:
                await find(url, "to_guarded", "1", role=role)
            assert raised.value.code == code
        await run(url, f"ALTER TABLE guarded DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON guarded FROM {role}")
        await run(url, f"GRANT SELECT (id) ON guarded TO {role}")
        # A column that the role may not read is left aside.
        found = await find(url, "to_guarded", "1", role=role)
        assert (found.hits, found.searched) == ((Hit(("1",), ()),), ())
