"""What is configured becomes edges of the schema: found by name, compared as a foreign key compares, told where not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fkexplorer.config.settings import Settings, load_settings
from fkexplorer.database.model import Trouble
from fkexplorer.known.bind import read_known
from fkexplorer.named import edge_or_pair
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.history import pair_of
from fkexplorer.orphans.model import Status
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.model import Action, EdgeKind, EdgeState
from fkexplorer.schema.names import edge_label
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.known.model import Known

SCRIPT = """
CREATE SCHEMA s; CREATE SCHEMA t;
CREATE TABLE s.users (id int PRIMARY KEY, "E mail" text UNIQUE, org int, no int, UNIQUE (org, no));
CREATE TABLE s."Posts" (id int PRIMARY KEY, author int, "E mail" text, kind text, about int, o int, n int, t text);
CREATE INDEX ON s."Posts" (author);
CREATE TABLE s.twice (id int PRIMARY KEY); CREATE TABLE t.twice (id int PRIMARY KEY);
CREATE TABLE t.lines (post int REFERENCES s."Posts", author bigint);
INSERT INTO s.users VALUES (1, 'a', 1, 1), (2, 'b', 1, 2);
INSERT INTO s."Posts" VALUES (1, 1, 'a', 'user', 2, 1, 2, '1'), (2, 3, 'z', 'user', 7, 1, 3, 'x'),
 (3, NULL, NULL, 'post', 7, NULL, 1, '2');
INSERT INTO t.lines VALUES (1, 3000000000), (1, 1);
"""


@pytest.fixture(scope="module")
def conninfo(make_database: Callable[[str], str]) -> str:
    return make_database(SCRIPT)


def settings(folder: Path, text: str) -> Settings:
    (folder / ".fkexplorer.toml").write_text(text)
    return load_settings(None, {"XDG_CONFIG_HOME": str(folder / "none")}, folder)


async def known(conninfo: str, folder: Path, text: str) -> Known:
    async with opened(conninfo) as (database, _):
        return await read_known(database, settings(folder, text), folder)


def labels(known: Known) -> list[str]:
    """The configured edges, as people write them."""
    return [edge_label(known.schema, known.schema.edges[oid]) for oid in known.origins]


def pairs(*texts: str) -> str:
    return "".join(f"[[relationships]]\npair = '{text}'\n" for text in texts)


@pytest.mark.matrix
async def test_pairs_become_edges_that_are_counted(make_database: Callable[[str], str], tmp_path: Path) -> None:
    text = pairs('s."Posts"(author):users(id)', '"Posts"("E mail"):users("E mail")', '"Posts"(o, n):users(org, no)')
    async with opened(make_database(SCRIPT)) as (database, plain):
        found = await read_known(database, settings(tmp_path, text), tmp_path)
        edges = [found.schema.edges[oid] for oid in found.origins]
        counts = [await count_edge(database, found.schema, edge) for edge in edges]
    assert list(found.origins.values()) == [f".fkexplorer.toml:{line}" for line in (1, 3, 5)]
    assert [(count.status, count.orphans) for count in counts] == [(Status.ORPHANS, 1)] * 3
    assert {edge.kind for edge in edges} == {EdgeKind.CONFIGURED}
    assert all(edge.oid < 0 for edge in edges)
    assert [edge.index for edge in edges] == ['s."Posts_author_idx"', None, None]
    assert found.problems == ()
    assert list(found.schema.edges)[: len(plain.edges)] == list(plain.edges)
    assert found.schema.fingerprint == plain.fingerprint


async def test_what_the_catalogue_has_is_no_second_edge(conninfo: str, tmp_path: Path) -> None:
    found = await known(conninfo, tmp_path, pairs('t.lines(post):s."Posts"(id)', "lines(author):users(id)") * 2)
    assert labels(found) == ["t.lines(author):s.users(id)"]
    assert list(found.origins.values()) == [".fkexplorer.toml:3"], "the first of two"
    assert found.problems == ()


async def test_the_same_columns_have_the_same_oid_by_hand(conninfo: str, tmp_path: Path) -> None:
    async with opened(conninfo) as (database, plain):
        found = await read_known(database, settings(tmp_path, pairs('"Posts"(n, o):users(no, org)')), tmp_path)
        for schema in (plain, found.schema):
            edge = await edge_or_pair(database, schema, 's."Posts"(o, n):s.users(org, no)')
            assert [edge.oid] == list(found.origins)


async def test_what_is_not_there_is_told_with_its_line(conninfo: str, tmp_path: Path) -> None:
    text = pairs("lines(a):user(id)", "lines(author):user(id)", "lines(author):twice(id)", "lines(author):users(id)")
    found = await known(conninfo, tmp_path, text)
    assert labels(found) == ["t.lines(author):s.users(id)"]
    assert found.problems == (
        ".fkexplorer.toml:1: t.lines has no column a",
        ".fkexplorer.toml:3: there is no table user; did you mean s.users?",
        ".fkexplorer.toml:5: twice may be s.twice or t.twice",
    )


async def test_types_that_cant_be_compared_are_kept(conninfo: str, tmp_path: Path) -> None:
    text = pairs('"Posts"(t):users(id)')
    async with opened(conninfo) as (database, _):
        found = await read_known(database, settings(tmp_path, text), tmp_path)
        [oid] = found.origins
        edge = found.schema.edges[oid]
        count = await count_edge(database, found.schema, edge)
    assert edge.pairs[0].equals is None
    assert count.status is Status.INCOMPARABLE
    assert count.orphans is None


async def test_a_kind_of_a_polymorphic_pair(conninfo: str, tmp_path: Path) -> None:
    text = "".join(
        f"[[relationships]]\npair = '\"Posts\"(about):{parent}(id) [Kind={kind}]'\n"
        for kind, parent in (("user", "users"), ("post", '"Posts"'), ("user", "users"))
    )
    found = await known(conninfo, tmp_path, text + pairs('"Posts"(about):users(id)'))
    assert [
        (only.column.name, only.value) if (only := found.schema.edges[oid].only) else None for oid in found.origins
    ] == [("kind", "user"), ("kind", "post"), None]
    wrong = await known(conninfo, tmp_path, text.replace("[Kind", "[Sort"))
    assert wrong.problems[0] == '.fkexplorer.toml:1: s."Posts" has no column Sort'


async def test_some_rows_of_a_declared_key_are_an_edge_of_their_own(conninfo: str, tmp_path: Path) -> None:
    text = pairs('t.lines(post):s."Posts"(id) [author=1]', 't.lines(post):s."Posts"(id)')
    async with opened(conninfo) as (database, plain):
        found = await read_known(database, settings(tmp_path, text), tmp_path)
        [declared] = plain.edges.values()
        [oid] = found.origins
        some = found.schema.edges[oid]
        counts = [await count_edge(database, found.schema, each, full=True) for each in (declared, some)]
        label = edge_label(found.schema, some)
        assert await edge_or_pair(database, found.schema, label) is some
        assert await edge_or_pair(database, found.schema, label.partition(" [")[0]) == declared
    assert (some.kind, some.oid < 0, some.name, some.state) == (EdgeKind.CONFIGURED, True, "", EdgeState.UNDECLARED)
    assert label == 't.lines(post):s."Posts"(id) [author=1]'
    assert found.schema.edges[declared.oid] == declared
    assert len(found.schema.edges) == 2
    assert [count.rows for count in counts] == [2, 1]
    assert pair_of(some) != pair_of(declared)
    reached = Graph(found.schema).delete_closure(declared.parent)
    assert {reach.edge: reach.action for reach in reached} == {declared.oid: Action.NO_ACTION, oid: None}


async def test_nothing_configured_costs_nothing(conninfo: str, tmp_path: Path) -> None:
    async with opened(conninfo) as (database, plain):
        found = await read_known(database, Settings())
        assert found.schema.edges == plain.edges
        assert not found.origins
        both = await asyncio.gather(*(read_known(database, Settings()) for _ in range(2)))
        assert [each.schema.edges for each in both] == [plain.edges] * 2


async def test_other_tools_files_are_bound_too(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id int); CREATE TABLE users (id int, mail text);"
        'CREATE TABLE posts (user_id int, "ownerId" int, mail text, boss int, old int);'
    )
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.yml").write_text(
        "models: [{name: posts, columns: [{name: user_id, tests: [{relationships: {to: ref('users'), field: id}}]},"
        " {name: boss, tests: [{relationships: {to: \"source('auth', 'users')\", field: id}}]}]}]"
    )
    (tmp_path / ".tbls.yml").write_text(
        "relations:\n- {table: posts, columns: [user_id], parentTable: users, parentColumns: [id]}\n"
        "- {table: posts, columns: [old], parentTable: users, parentColumns: [id]}\n"
    )
    (tmp_path / "s.prisma").write_text(
        'model User {\n id Int @id\n posts Post[]\n @@map("users")\n}\nmodel Post {\n ownerId Int\n'
        ' owner User @relation(fields: [ownerId], references: [id])\n @@map("posts")\n}\n'
    )
    (tmp_path / "d.dbml").write_text(
        "Table Users {\n  mail text\n}\n"
        "Table posts {\n  mail text [ref: > Users.mail]\n  gone int [ref: > Users.id]\n}\n"
    )
    found = await known(
        conninfo,
        tmp_path,
        "[sources]\ndbt = 'm/*.yml'\ntbls = '.tbls.yml'\nprisma = 's.prisma'\ndbml = 'd.dbml'\n"
        "[[rejected]]\npair = 'posts(old):public.users(id)'\n[[rejected]]\npair = 'posts(boss):auth.users(id)'\n"
        "[[relationships]]\npair = 'posts(boss):auth.users(id)'\n",
    )
    assert dict(zip(labels(found), found.origins.values(), strict=True)) == {
        "public.posts(boss):auth.users(id)": ".fkexplorer.toml:10",
        "public.posts(user_id):public.users(id)": ".tbls.yml:2",
        'public.posts("ownerId"):public.users(id)': "s.prisma:8",
        "public.posts(mail):public.users(mail)": "d.dbml:5",
    }
    assert found.problems == (
        "m/a.yml:1: users may be auth.users or public.users",
        "d.dbml:6: public.posts has no column gone",
    )
    assert [each.origin for each in found.unbound] == ["m/a.yml:1", "d.dbml:6"]


async def test_a_column_compared_with_itself_says_nothing(conninfo: str, tmp_path: Path) -> None:
    text = pairs("s.users(id):s.users(id)", "s.users(org, no):s.users(no, no)", "s.users(org, no):s.users(org, id)")
    found = await known(conninfo, tmp_path, text)
    assert found.problems == (
        ".fkexplorer.toml:1: s.users.id is compared with itself, and every row has what it has",
        ".fkexplorer.toml:3: s.users(no, no) names a column twice",
    )
    assert labels(found) == ["s.users(org, no):s.users(org, id)"], "a tenant may well be that of the row above"
    async with opened(conninfo) as (database, schema):
        with pytest.raises(Trouble, match=r"s\.users\.id is compared with itself"):
            await edge_or_pair(database, schema, "users(id):users(id)")
