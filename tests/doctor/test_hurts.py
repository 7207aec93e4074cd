"""What will hurt: rules that contradict, that can only fail, that reach far, and cycles; and where nothing is said."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.schema.actions import FixAction
from tests.doctor.examined import examined, of_code

if TYPE_CHECKING:
    from collections.abc import Callable

# In schemas of their own: of each of the first ones something is said, of the others not.
RULES = """
CREATE SCHEMA forgotten;
CREATE TABLE forgotten.p (id int PRIMARY KEY);
CREATE TABLE forgotten.members (p int NOT NULL CONSTRAINT members_fk REFERENCES forgotten.p ON DELETE CASCADE);
CREATE TABLE forgotten.users (p int CONSTRAINT users_fk REFERENCES forgotten.p);
CREATE SCHEMA parting;
CREATE TABLE parting.customers (id int PRIMARY KEY);
CREATE TABLE parting.addresses (id int PRIMARY KEY,
 customer int NOT NULL CONSTRAINT addresses_fk REFERENCES parting.customers ON DELETE CASCADE);
CREATE TABLE parting.orders (id int PRIMARY KEY,
 customer int NOT NULL CONSTRAINT orders_customer_fk REFERENCES parting.customers ON DELETE RESTRICT,
 address int NOT NULL CONSTRAINT orders_address_fk REFERENCES parting.addresses ON DELETE CASCADE);
CREATE SCHEMA paired;
CREATE TABLE paired.people (id int PRIMARY KEY);
CREATE TABLE paired.messages (
 receiver int NOT NULL CONSTRAINT receiver_fk REFERENCES paired.people,
 sender int NOT NULL CONSTRAINT sender_fk REFERENCES paired.people ON DELETE CASCADE);
CREATE SCHEMA working;
CREATE TABLE working.customers (id int PRIMARY KEY);
CREATE TABLE working.addresses (id int PRIMARY KEY,
 customer int NOT NULL REFERENCES working.customers ON DELETE CASCADE);
CREATE TABLE working.orders (id int PRIMARY KEY,
 customer int NOT NULL REFERENCES working.customers ON DELETE CASCADE,
 address int NOT NULL REFERENCES working.addresses ON DELETE RESTRICT);
CREATE SCHEMA agreed;
CREATE TABLE agreed.p (id int PRIMARY KEY);
CREATE TABLE agreed.a (p int REFERENCES agreed.p ON DELETE CASCADE);
CREATE TABLE agreed.b (p int REFERENCES agreed.p ON DELETE CASCADE);
CREATE TABLE agreed.c (p int REFERENCES agreed.p ON DELETE SET NULL);
CREATE SCHEMA meant;
CREATE TABLE meant.p (id int PRIMARY KEY);
CREATE TABLE meant.lines (p int REFERENCES meant.p ON DELETE CASCADE);
CREATE TABLE meant.invoices (p int NOT NULL REFERENCES meant.p);
CREATE TABLE meant.holds (p int REFERENCES meant.p ON DELETE RESTRICT);
"""


@pytest.mark.matrix
async def test_rules_that_contradict_each_other_are_told_once_for_each_parent(
    make_database: Callable[[str], str],
) -> None:
    conninfo = make_database(RULES)
    found = of_code(await examined(conninfo), "rules_disagree")
    assert list(found) == ["forgotten.p", "paired.people", "parting.customers"]
    forgotten, paired, parting = found.values()
    assert forgotten.text == "ON DELETE disagrees about forgotten.p: members_fk is CASCADE; users_fk is NO ACTION."
    assert forgotten.treatment.action is FixAction.CHANGE_ON_DELETE
    assert forgotten.treatment.options == (("rule", "set-null"),)
    assert parting.text == (
        "ON DELETE disagrees on two ways from parting.customers to parting.orders: by addresses_fk and"
        " orders_address_fk its rows go with a delete, by orders_customer_fk they stop it (RESTRICT)."
    )
    assert "asked for before they would go" in parting.why
    assert "by sender_fk its rows go with a delete, by receiver_fk they stop it (NO ACTION)." in paired.text
    assert _refused(conninfo) == {"parting", "paired"}
    for finding in found.values():
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for statement in finding.treatment.statements:
                connection.execute(statement.encode())
    assert not of_code(await examined(conninfo), "rules_disagree")
    assert not _refused(conninfo)


def _refused(conninfo: str) -> set[str]:
    """The schemas in which a row can't be deleted though all that is below it would go by one way or the other."""
    refused = set()
    with psycopg.connect(conninfo) as connection:
        for schema, top, rows in (
            ("parting", "customers", "addresses VALUES (1, 1); INSERT INTO orders VALUES (1, 1, 1)"),
            ("working", "customers", "addresses VALUES (1, 1); INSERT INTO orders VALUES (1, 1, 1)"),
            ("paired", "people", "messages VALUES (1, 1)"),
        ):
            connection.execute(
                f"SET LOCAL search_path = {schema}; INSERT INTO {top} VALUES (1); INSERT INTO {rows}".encode()
            )
            try:
                connection.execute(f"DELETE FROM {top}".encode())
            except psycopg.errors.IntegrityError:
                refused.add(schema)
            connection.rollback()
    return refused


async def test_of_a_named_constraint_only_what_it_is_part_of(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(RULES)
    assert list(of_code(await examined(conninfo, only=["users_fk"]), "rules_disagree")) == ["forgotten.p"]
    assert list(of_code(await examined(conninfo, only=["members_fk"]), "rules_disagree")) == ["forgotten.p"]
    assert not of_code(await examined(conninfo, only=["addresses_fk"]), "rules_disagree")


FAILING = """
CREATE TABLE p (id int PRIMARY KEY, name varchar(8) UNIQUE);
INSERT INTO p VALUES (1, 'one'), (-1, 'neg');
CREATE TABLE null_fails (id int NOT NULL CONSTRAINT null_fails REFERENCES p ON DELETE SET NULL);
CREATE TABLE null_works (id int CONSTRAINT null_works REFERENCES p ON DELETE SET NULL);
CREATE TABLE bare (id int NOT NULL CONSTRAINT bare REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE gone (id int DEFAULT 7 CONSTRAINT gone REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE gone_name (n varchar(8) DEFAULT 'it''s' CONSTRAINT gone_name REFERENCES p (name) ON DELETE SET DEFAULT);
CREATE TABLE there (id int DEFAULT -1 CONSTRAINT there REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE named (n varchar(8) DEFAULT 'one' CONSTRAINT named REFERENCES p (name) ON DELETE SET DEFAULT);
CREATE TABLE computed (id int DEFAULT 3 + 4 CONSTRAINT computed REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE nothing (id int CONSTRAINT nothing REFERENCES p ON DELETE SET DEFAULT);
"""


@pytest.mark.matrix
async def test_rules_that_can_only_fail(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(FAILING)
    found = await examined(conninfo)
    never = of_code(found, "set_null_not_null")
    assert list(never) == ["public.bare.bare", "public.null_fails.null_fails"]
    assert never["public.null_fails.null_fails"].text == (
        "public.null_fails.null_fails is ON DELETE SET NULL, but id of public.null_fails is NOT NULL."
    )
    gone = of_code(found, "default_without_parent")
    assert list(gone) == ["public.gone.gone", "public.gone_name.gone_name"]
    assert gone["public.gone.gone"].text == (
        "public.gone.gone is ON DELETE SET DEFAULT, and no row of public.p.id is 7, as the default says."
    )
    assert not found.not_looked
    with psycopg.connect(conninfo) as connection:
        for table, error in (
            ("null_fails", psycopg.errors.NotNullViolation),
            ("bare", psycopg.errors.NotNullViolation),
            ("gone", psycopg.errors.ForeignKeyViolation),
        ):
            connection.execute(f"INSERT INTO {table} VALUES (1)".encode())
            with pytest.raises(error):
                connection.execute("DELETE FROM p WHERE id = 1")
            connection.rollback()


async def test_a_default_in_a_table_that_is_being_altered_is_not_waited_for(
    make_database: Callable[[str], str],
) -> None:
    conninfo = make_database(FAILING)
    with psycopg.connect(conninfo) as other:
        other.execute("LOCK TABLE gone IN ACCESS EXCLUSIVE MODE")
        found = await examined(conninfo, only=["gone", "gone_name"])
    assert list(of_code(found, "default_without_parent")) == ["public.gone_name.gone_name"]
    assert "the default of the key of public.gone.gone" in dict(found.not_looked)


def _chain(length: int) -> str:
    tables = "CREATE TABLE t0 (id int PRIMARY KEY);"
    for n in range(1, length + 1):
        tables += f"CREATE TABLE t{n} (id int PRIMARY KEY, up int REFERENCES t{n - 1} ON DELETE CASCADE);"
    return tables


async def test_a_cascade_that_is_deep_is_told_where_it_begins(make_database: Callable[[str], str]) -> None:
    [found] = of_code(await examined(make_database(_chain(6))), "cascade_far").values()
    assert found.subject == "public.t0"
    assert "takes rows of 6 tables with it, 6 levels deep" in found.text
    assert not of_code(await examined(make_database(_chain(3))), "cascade_far")


async def test_a_cascade_of_many_rows_for_one_is_far(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (1), (2);"
        "CREATE TABLE events (tenant int CONSTRAINT events_fk REFERENCES tenants ON DELETE CASCADE);"
        "INSERT INTO events SELECT 1 + n % 2 FROM generate_series(1, 30000) n;"
        "CREATE TABLE owners (id int PRIMARY KEY); INSERT INTO owners SELECT generate_series(1, 10000);"
        "CREATE TABLE pets (owner int CONSTRAINT pets_fk REFERENCES owners ON DELETE CASCADE);"
        "INSERT INTO pets SELECT 1 + n % 10000 FROM generate_series(1, 30000) n;"
        "ANALYZE"
    )
    [found] = of_code(await examined(conninfo), "cascade_far").values()
    assert found.subject == "public.tenants"
    assert "takes rows of 1 table with it: public.events; on average that is about 15,000 rows." in found.text


CYCLES = """
CREATE SCHEMA closed;
CREATE TABLE closed.a (id int PRIMARY KEY, b int NOT NULL);
CREATE TABLE closed.b (id int PRIMARY KEY, a int NOT NULL CONSTRAINT b_a REFERENCES closed.a);
ALTER TABLE closed.a ADD CONSTRAINT a_b FOREIGN KEY (b) REFERENCES closed.b;
CREATE SCHEMA opened;
CREATE TABLE opened.a (id int PRIMARY KEY, b int);
CREATE TABLE opened.b (id int PRIMARY KEY, a int NOT NULL REFERENCES opened.a);
ALTER TABLE opened.a ADD FOREIGN KEY (b) REFERENCES opened.b;
CREATE SCHEMA later;
CREATE TABLE later.a (id int PRIMARY KEY, b int NOT NULL);
CREATE TABLE later.b (id int PRIMARY KEY, a int NOT NULL REFERENCES later.a);
ALTER TABLE later.a ADD FOREIGN KEY (b) REFERENCES later.b DEFERRABLE;
CREATE SCHEMA itself;
CREATE TABLE itself.a (id int PRIMARY KEY, up int NOT NULL REFERENCES itself.a);
"""


async def test_a_cycle_that_nothing_opens(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(CYCLES)
    [found] = of_code(await examined(conninfo), "cycle_not_loadable").values()
    assert found.subject == "closed.a"
    assert "closed.a and closed.b refer to each other in a circle" in found.text
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in found.treatment.statements:
            connection.execute(statement.encode())
        held = connection.execute("SELECT condeferrable FROM pg_constraint WHERE conname IN ('a_b', 'b_a')").fetchall()
    assert sorted(held) == [(False,), (True,)]
    assert not of_code(await examined(conninfo), "cycle_not_loadable")


NAME = 'Ünï ""q"" %s \'; x'


async def test_any_names_are_quoted(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        f'CREATE TABLE "p {NAME}" ("id {NAME}" bigint, "n {NAME}" bigint,'
        f' CONSTRAINT "pk {NAME}" PRIMARY KEY ("id {NAME}", "n {NAME}"));'
        f'CREATE UNIQUE INDEX "again {NAME}" ON "p {NAME}" ("id {NAME}", "n {NAME}");'
        f'CREATE TABLE "c {NAME}" ("a {NAME}" int NOT NULL DEFAULT 7, "b {NAME}" int DEFAULT 8,'
        f' CONSTRAINT "fk {NAME}" FOREIGN KEY ("a {NAME}", "b {NAME}") REFERENCES "p {NAME}" ON DELETE SET DEFAULT,'
        f' CONSTRAINT "fk2 {NAME}" FOREIGN KEY ("a {NAME}", "b {NAME}") REFERENCES "p {NAME}" ON DELETE SET NULL);'
        f'INSERT INTO "c {NAME}" VALUES (1, NULL);'
        f'CREATE TABLE "heir {NAME}" () INHERITS ("c {NAME}");'
        f'CREATE FUNCTION "f {NAME}"() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;'
        f'CREATE TRIGGER "t {NAME}" BEFORE UPDATE ON "c {NAME}" FOR EACH ROW EXECUTE FUNCTION "f {NAME}"();'
        f'ALTER TABLE "c {NAME}" DISABLE TRIGGER ALL; ALTER TABLE "c {NAME}" ENABLE TRIGGER USER;'
    )
    found = await examined(conninfo)
    assert not found.not_looked
    assert {each.code for each in found.findings} == {
        "cascade_cancelled",
        "default_without_parent",
        "duplicate_constraint",
        "duplicate_index",
        "inheritance_unbound",
        "narrow_key",
        "partly_null",
        "set_null_not_null",
        "triggers_disabled",
    }
    statements = [
        each
        for finding in found.findings
        for each in finding.treatment.statements
        if not each.startswith("--") and "CONCURRENTLY" not in each
    ]
    assert len(statements) > 5
    for statement in statements:
        # Each by itself, and rolled back: a VALIDATE of what another one adds is refused, but nothing is misread.
        with psycopg.connect(conninfo) as connection:
            with contextlib.suppress(psycopg.errors.ForeignKeyViolation, psycopg.errors.UndefinedObject):
                connection.execute(statement.encode())
            connection.rollback()
