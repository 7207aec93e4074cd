"""What undoes a constraint from beside it: each finding provoked on a real server, the harm shown, and left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.doctor.model import Severity
from tests.doctor.examined import examined, of_code
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fkexplorer.demo.server import EmbeddedServer

pytestmark = pytest.mark.matrix

# Of each pair of tables one row of the parent, one of the child.
_PAIR = """
CREATE TABLE {0}_p (id int PRIMARY KEY); INSERT INTO {0}_p VALUES (1);
CREATE TABLE {0} (id int, p int CONSTRAINT {0}_fk REFERENCES {0}_p ON DELETE {1}, keep boolean);
INSERT INTO {0} VALUES (1, 1, true);
"""
_FUNCTION = """
CREATE FUNCTION {0}_f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {1} END$$;
CREATE TRIGGER {0}_t BEFORE {2} ON {0} FOR EACH ROW EXECUTE FUNCTION {0}_f();
"""
CANCELLING = {
    # A table, what its parent's delete does to it, its trigger's event and body, and what is said of that.
    "nulls": ("CASCADE", "DELETE", "RETURN NULL;", "can return NULL"),
    "news": ("CASCADE", "DELETE", "RETURN NEW;", "returns NEW, which is NULL when a row is deleted"),
    "olds": ("SET NULL", "UPDATE", "RETURN OLD;", "can return OLD, the row as it was"),
    "assigns": ("SET NULL", "UPDATE OF p", "NEW.p := OLD.p; RETURN NEW;", "sets p itself"),
}
PASSING = {
    "passes": ("CASCADE", "DELETE", "/* RETURN NULL; */ RAISE NOTICE 'RETURN NEW;'; RETURN OLD;"),
    "twofold": ("CASCADE", "UPDATE OR DELETE", "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW;"),
    "audits": (
        "CASCADE",
        "UPDATE OR DELETE",
        "IF TG_OP = 'DELETE' THEN RETURN OLD; ELSIF TG_OP = 'UPDATE' THEN RETURN NEW; END IF; RETURN NULL;",
    ),
    "inserts": ("CASCADE", "INSERT", "RETURN NULL;"),
    "other": ("SET NULL", "UPDATE OF id", "RETURN OLD;"),
    "compares": ("SET NULL", "UPDATE", "IF NEW.p = OLD.p THEN NEW.keep := false; END IF; RETURN NEW;"),
    "refuses": ("RESTRICT", "DELETE OR UPDATE", "RETURN NULL;"),
}
RULES = {
    "some_rows": ("CASCADE", "ON DELETE TO some_rows WHERE OLD.keep DO INSTEAD NOTHING"),
    "all_rows": ("CASCADE", "ON DELETE TO all_rows DO INSTEAD NOTHING"),
    "also": ("CASCADE", "ON DELETE TO also DO ALSO NOTIFY gone"),
}


def _schema() -> str:
    parts = [_PAIR.format(name, rule) for name, (rule, *_) in {**CANCELLING, **PASSING, **RULES}.items()]
    parts += [_FUNCTION.format(name, body, event) for name, (_, event, body, _) in CANCELLING.items()]
    parts += [_FUNCTION.format(name, body, event) for name, (_, event, body) in PASSING.items()]
    parts += [f"CREATE RULE {name}_r AS {rule};" for name, (_, rule) in RULES.items()]
    parts += [_PAIR.format("off", "CASCADE"), _FUNCTION.format("off", "RETURN NULL;", "DELETE")]
    parts.append("ALTER TABLE off DISABLE TRIGGER off_t;")
    return "".join(parts)


@pytest.fixture(scope="module")
def triggers(make_database: Callable[[str], str]) -> str:
    return make_database(_schema())


async def test_triggers_and_rules_that_can_cancel_what_a_constraint_does(triggers: str) -> None:
    found = await examined(triggers)
    cancelled = of_code(found, "cascade_cancelled")
    assert {subject.split(".")[1] for subject in cancelled} == {*CANCELLING, "some_rows"}
    for name, (_, _, _, said) in CANCELLING.items():
        finding = cancelled[f"public.{name}.{name}_fk"]
        assert f"the trigger {name}_t (public.{name}_f) {said}" in finding.text
        assert finding.severity is Severity.WARNING
    assert "the rule some_rows_r leaves rows alone by its condition" in cancelled["public.some_rows.some_rows_fk"].text
    assert list(of_code(found, "rule_refuses")) == ["public.all_rows.all_rows_fk"]
    assert not found.not_looked


def test_what_is_said_to_cancel_does_so_and_what_is_not_does_not(triggers: str) -> None:
    with psycopg.connect(triggers) as connection:
        for name in (*CANCELLING, "some_rows", *PASSING, "off", "also"):
            if name == "refuses":
                continue
            connection.execute(f"DELETE FROM {name}_p".encode())
            [(left,)] = connection.execute(f"SELECT count(*) FROM {name} WHERE p IS NOT NULL".encode()).fetchall()
            assert bool(left) is (name in {*CANCELLING, "some_rows"}), name
        with pytest.raises(psycopg.errors.InternalError_, match="unexpected result"):
            connection.execute("DELETE FROM all_rows_p")
        connection.rollback()


async def test_a_function_that_cannot_be_read_is_not_called_harmless(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        _PAIR.format("c", "CASCADE")
        + "CREATE FUNCTION f() RETURNS trigger LANGUAGE internal AS 'suppress_redundant_updates_trigger';"
        "CREATE TRIGGER t BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TRIGGER known BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    found = await examined(conninfo)
    assert not of_code(found, "cascade_cancelled")
    [unread] = of_code(found, "trigger_unread").values()
    assert unread.subject == "public.c.c_fk"
    assert unread.text.endswith("may cancel that: what t (public.f, in internal) does can't be read.")


async def test_a_trigger_of_one_partition_can_cancel(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE c_p (id int PRIMARY KEY);"
        "CREATE TABLE c (p int CONSTRAINT c_fk REFERENCES c_p ON DELETE CASCADE) PARTITION BY RANGE (p);"
        "CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE c2 PARTITION OF c FOR VALUES FROM (9) TO (19);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER t BEFORE DELETE ON c1 FOR EACH ROW EXECUTE FUNCTION f();"
    )
    [found] = of_code(await examined(conninfo), "cascade_cancelled").values()
    assert found.subject == "public.c.c_fk"


INHERITANCE = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (p int CONSTRAINT c_fk REFERENCES p);
CREATE TABLE bare () INHERITS (c);
CREATE TABLE deeper () INHERITS (bare);
CREATE TABLE bound (CONSTRAINT bound_fk FOREIGN KEY (p) REFERENCES p) INHERITS (c);
CREATE TABLE lone (p int CONSTRAINT lone_fk REFERENCES p);
CREATE TABLE q (id int PRIMARY KEY);
CREATE TABLE q2 (PRIMARY KEY (id)) INHERITS (q);
CREATE TABLE to_q (q int CONSTRAINT to_q REFERENCES q);
CREATE TABLE kept (p int CONSTRAINT kept_fk REFERENCES p);
CREATE TABLE heir (CONSTRAINT heir_fk FOREIGN KEY (p) REFERENCES p) INHERITS (kept);
CREATE TABLE parts (p int CONSTRAINT parts_fk REFERENCES p) PARTITION BY RANGE (p);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);
"""


async def test_tables_that_inherit_are_bound_on_neither_end(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(INHERITANCE)
    found = await examined(conninfo)
    [unbound] = of_code(found, "inheritance_unbound").values()
    assert unbound.subject == "public.c"
    assert "public.bare and public.deeper" in unbound.text
    added = [each for each in unbound.treatment.statements if " ADD CONSTRAINT " in each]
    assert [each.split('"')[3] for each in added] == ["bare", "deeper"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("INSERT INTO bare VALUES (99)")
        connection.execute("TRUNCATE ONLY bare")
        for statement in unbound.treatment.statements:
            connection.execute(statement.encode())
    [unreferenced] = of_code(found, "inheritance_unreferenced").values()
    assert unreferenced.subject == "public.q"
    assert "1 table inherits from public.q (public.q2), and public.to_q.to_q looks for no parent there." in (
        unreferenced.text
    )
    assert not of_code(await examined(conninfo), "inheritance_unbound")


PARTLY = """
CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (1);
CREATE TABLE people (tenant int NOT NULL CONSTRAINT people_tenant REFERENCES tenants, id int, PRIMARY KEY (tenant, id));
INSERT INTO people VALUES (1, 1);
CREATE TABLE tasks (tenant int NOT NULL, person int,
 CONSTRAINT tasks_fk FOREIGN KEY (tenant, person) REFERENCES people);
INSERT INTO tasks VALUES (1, 1), (99, NULL), (98, NULL);
CREATE TABLE notes (tenant int, person int, CONSTRAINT notes_fk FOREIGN KEY (tenant, person) REFERENCES people);
INSERT INTO notes VALUES (1, 1), (NULL, 99), (NULL, NULL);
CREATE TABLE whole (tenant int, person int,
 CONSTRAINT whole_fk FOREIGN KEY (tenant, person) REFERENCES people MATCH FULL);
CREATE TABLE none (tenant int, person int, CONSTRAINT none_fk FOREIGN KEY (tenant, person) REFERENCES people);
INSERT INTO none VALUES (1, 1), (NULL, NULL);
CREATE TABLE twice (tenant int NOT NULL CONSTRAINT twice_tenant REFERENCES tenants, person int,
 CONSTRAINT twice_fk FOREIGN KEY (tenant, person) REFERENCES people);
INSERT INTO twice VALUES (1, NULL);
"""


async def test_rows_that_match_simple_never_looks_at(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PARTLY)
    found = of_code(await examined(conninfo), "partly_null")
    assert list(found) == ["public.notes.notes_fk", "public.tasks.tasks_fk"]
    tasks, notes = found["public.tasks.tasks_fk"], found["public.notes.notes_fk"]
    assert tasks.text == (
        "public.tasks.tasks_fk does not check 2 rows of public.tasks, since a part of their key is NULL (person)."
    )
    assert 'FOREIGN KEY ("tenant") REFERENCES "public"."tenants" ("id") NOT VALID' in tasks.treatment.statements[1]
    assert notes.text.startswith("public.notes.notes_fk does not check 1 row of public.notes, since a part of its key")
    assert 'CHECK (pg_catalog.num_nulls("tenant", "person") IN (0, 2)) NOT VALID' in notes.treatment.statements[-1]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(notes.treatment.statements[-1].encode())


async def test_a_child_over_the_cost_limit_is_not_read_for_its_nulls(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PARTLY)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ANALYZE")
    found = await examined(conninfo, max_bytes=1)
    assert not of_code(found, "partly_null")
    assert "public.tasks.tasks_fk" in dict(found.skipped)


@pytest.fixture
def own_database(make_database: Callable[[str], str]) -> Iterator[str]:
    """A database whose own settings are taken back: those of roles go with the roles."""
    conninfo = make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p)")
    yield conninfo
    with psycopg.connect(conninfo, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} RESET ALL".encode())


async def test_whose_sessions_begin_as_replicas(own_database: str) -> None:
    assert not of_code(await examined(own_database), "replication_role")
    async with new_role(own_database) as loader, new_role(own_database) as other:
        name = psycopg.conninfo.conninfo_to_dict(own_database)["dbname"]
        await run(own_database, f"ALTER ROLE {loader} SET session_replication_role = replica")
        await run(own_database, f"ALTER ROLE {other} SET session_replication_role = local")
        await run(own_database, f"ALTER ROLE {other} IN DATABASE postgres SET session_replication_role = replica")
        [found] = of_code(await examined(own_database), "replication_role").values()
        assert found.subject == f"session_replication_role of role {loader}"
        assert found.treatment.statements == (f"ALTER ROLE {loader} RESET session_replication_role",)
        await run(own_database, f"ALTER DATABASE {name} SET session_replication_role = replica")
        both = await examined(own_database)
        assert len(of_code(both, "replication_role")) == 2
        assert not of_code(await examined(own_database, only=["c_p_fkey"]), "replication_role")
        for each in of_code(both, "replication_role").values():
            await run(own_database, each.treatment.statements[0])
        assert not of_code(await examined(own_database), "replication_role")


COLLATED = """
CREATE TABLE p (id text COLLATE {0} PRIMARY KEY, code text COLLATE {0} UNIQUE, number int UNIQUE);
CREATE TABLE c (p text COLLATE {0} CONSTRAINT c_fk REFERENCES p, number int CONSTRAINT number_fk REFERENCES p (number));
CREATE INDEX c_p ON c (p);
CREATE INDEX c_hash ON c USING hash (p);
CREATE INDEX c_number ON c (number);
"""


def _versioned(server: EmbeddedServer) -> str:
    """A collation that has a version, as the server itself would tell."""
    return "pg_catalog.pg_c_utf8" if server.major >= 17 else 'pg_catalog."de-x-icu"'


async def test_indexes_in_the_order_of_an_older_collation(
    server: EmbeddedServer, make_database: Callable[[str], str]
) -> None:
    name = _versioned(server)
    conninfo = make_database(COLLATED.format(name))
    assert not of_code(await examined(conninfo), "collation_changed")
    # As if the library had been of another version when the indexes were built.
    alone = name.removeprefix("pg_catalog.").strip('"')
    await run(conninfo, f"UPDATE pg_collation SET collversion = '0.1' WHERE collname = '{alone}'")
    [found] = of_code(await examined(conninfo), "collation_changed").values()
    assert found.subject == f"the collation {name}"
    assert "has changed from version 0.1 to" in found.text
    assert (
        "2 indexes that foreign keys look into are still in the old order: public.c_p and public.p_pkey." in found.text
    )
    again = [each for each in found.treatment.statements if not each.startswith("--")]
    assert again[:2] == ["REINDEX INDEX CONCURRENTLY public.c_p", "REINDEX INDEX CONCURRENTLY public.p_pkey"]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in again:
            connection.execute(statement.encode())
    assert not of_code(await examined(conninfo), "collation_changed")
    assert not of_code(await examined(conninfo, only=["number_fk"]), "collation_changed")


async def test_the_collation_of_the_database_itself(
    server: EmbeddedServer, make_database: Callable[[str], str]
) -> None:
    if server.major < 17:
        pytest.skip("a database has a version of its own from 15 on, with these libraries from 17 on")
    name = "collated_h"
    conninfo = server.conninfo(name)
    postgres = server.conninfo("postgres")
    await run(
        postgres,
        f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
    )
    try:
        await run(
            conninfo, "CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE c (p text CONSTRAINT c_fk REFERENCES p)"
        )
        assert not of_code(await examined(conninfo), "collation_changed")
        await run(postgres, f"UPDATE pg_database SET datcollversion = '0.1' WHERE datname = '{name}'")
        [found] = of_code(await examined(conninfo), "collation_changed").values()
        assert found.subject == f"the collation of the database {name}"
        assert found.treatment.statements[-1] == f"ALTER DATABASE {name} REFRESH COLLATION VERSION"
    finally:
        await run(postgres, f"DROP DATABASE {name} WITH (FORCE)")
