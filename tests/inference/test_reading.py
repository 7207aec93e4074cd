"""What guessing reads of a real server: operators, the joins of views and functions, the values of type columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.inference.reading import read_evidence
from fkexplorer.schema.model import TypeName
from tests.orphans.connected import holding, new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.inference.model import Join
    from fkexplorer.schema.model import Schema

pytestmark = pytest.mark.matrix

MAKE = """
CREATE EXTENSION citext;
CREATE DOMAIN code AS varchar(9);
CREATE TABLE users (id int PRIMARY KEY, email citext UNIQUE, login varchar(20));
CREATE TABLE posts (id bigint PRIMARY KEY, author int, author_mail citext, author_login text, code code);
CREATE TABLE "Odd ones" (id int PRIMARY KEY, "Post" bigint, code code, price numeric);
CREATE TABLE comments (id int PRIMARY KEY, commentable_type text, commentable_id int, "ownerKind" text, "ownerId" int,
 type text, mood_type text);
INSERT INTO comments SELECT g, (ARRAY['Post', 'Admin::User', 'a\\b', 'it''s'])[1 + g % 4], g, 'k' || g, g
 FROM generate_series(1, 60) g;
CREATE VIEW authors AS SELECT p.id, u.email FROM posts p JOIN users u ON u.id = p.author WHERE u.id > 0;
CREATE MATERIALIZED VIEW by_mail AS SELECT p.id FROM users u, posts p
 WHERE u.email = p.author_mail AND u.login = p.author_login;
CREATE VIEW nested AS SELECT (SELECT u.login FROM users u WHERE u.id = o.id) AS name
 FROM "Odd ones" o LEFT JOIN (SELECT id FROM posts) p ON p.id = o."Post";
CREATE VIEW used AS SELECT count(*) AS n FROM posts JOIN "Odd ones" USING (code);
CREATE FUNCTION of_sql() RETURNS bigint LANGUAGE sql AS
 $$ SELECT count(*) FROM posts p WHERE EXISTS (SELECT 1 FROM public."Odd ones" o WHERE o."Post" = p.id) $$;
CREATE FUNCTION of_plpgsql() RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
 -- users.id = posts.id is only said
 FOR r IN SELECT 'users.id = posts.id' FROM users x LOOP NULL; END LOOP;
 UPDATE posts SET author = u.id FROM users u WHERE u.login = posts.author_login;
 DELETE FROM comments USING users w WHERE comments.commentable_id = w.id;
END $$;
"""


def told(schema: Schema, joins: tuple[Join, ...]) -> set[str]:
    """`where: a.x = b.y`, the sides in order."""

    def name(side: tuple[int, int]) -> str:
        table = schema.tables[side[0]]
        return f"{table.name}.{table.column(side[1]).name}"

    return {f"{join.where}: {' = '.join(sorted((name(join.left), name(join.right))))}" for join in joins}


async def test_what_is_read(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(MAKE)) as (database, schema):
        evidence = await read_evidence(database, schema)
    assert evidence.problems == ()
    assert told(schema, evidence.joins) == {
        "public.authors: posts.author = users.id",
        "public.by_mail: posts.author_mail = users.email",
        "public.by_mail: posts.author_login = users.login",
        "public.nested: Odd ones.id = users.id",
        "public.used: Odd ones.code = posts.code",
        "public.of_sql: Odd ones.Post = posts.id",
        "public.of_plpgsql: posts.author_login = users.login",
        "public.of_plpgsql: comments.commentable_id = users.id",
    }
    kinds = {
        f"{schema.tables[table].name}.{schema.tables[table].column(number).name}": values
        for (table, number), values in evidence.kinds.items()
    }
    # 60 different owners' kinds are no kinds; `type` has no column beside it.
    assert kinds == {"comments.commentable_type": ("Admin::User", "Post", "a\\b", "it's")}

    def compared(child: str, parent: str) -> str | None:
        one, other = (TypeName("public" if each == "citext" else "pg_catalog", each) for each in (child, parent))
        operator = evidence.operators[one, other]
        if operator is None:
            return None
        return f"{operator.left and operator.left.name} {operator.right and operator.right.name}"

    assert compared("int4", "int8") == "int8 int4"
    assert compared("varchar", "int8") is None
    assert compared("citext", "citext") == "citext citext"
    assert compared("text", "int4") is compared("numeric", "int4") is None
    assert (TypeName("pg_catalog", "int4"), TypeName("pg_catalog", "numeric")) not in evidence.operators  # no key


async def test_what_stands_in_the_way_is_told(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(MAKE)
    async with new_role(conninfo) as role:
        await run(
            conninfo,
            f"GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON users, posts TO {role};"
            "CREATE TABLE notes (target_type text, target_id int); ALTER TABLE notes ENABLE ROW LEVEL SECURITY;"
            f"GRANT SELECT ON notes TO {role}",
        )
        async with opened(conninfo, role) as (database, schema):
            evidence = await read_evidence(database, schema)
            assert [problem.split(":")[0] for problem in evidence.problems] == [
                "The values of public.comments.commentable_type could not be read",
                'The values of public.comments."ownerKind" could not be read',
                "The values of public.notes.target_type could not be read",
            ]
            assert evidence.kinds == {}
            assert len(evidence.joins) == 8  # the catalogue is open to all
        async with opened(conninfo) as (database, schema), holding(conninfo, "LOCK TABLE users"):
            evidence = await read_evidence(database, schema)
            [problem] = evidence.problems
            assert problem.startswith("The text of views could not be read: ")
            assert {join.where for join in evidence.joins} == {"public.of_sql", "public.of_plpgsql"}


async def test_too_much_text_is_left_out_and_told(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE VIEW v AS SELECT x.id FROM a x JOIN a y ON x.b = y.id;"
        "DO $do$ BEGIN FOR at IN 1..4 LOOP EXECUTE format('CREATE FUNCTION f%s() RETURNS bigint LANGUAGE sql AS $f$"
        " SELECT count(*) FROM a x JOIN a y ON x.b = y.id -- %s$f$', at, repeat('x', 300000)); END LOOP; END $do$"
    )
    async with opened(conninfo) as (database, schema):
        evidence = await read_evidence(database, schema)
    assert {join.where for join in evidence.joins} == {"public.v", "public.f1", "public.f2", "public.f3"}
    assert evidence.problems == ("The text of 1 function was not read for joins: all together it is too much.",)
