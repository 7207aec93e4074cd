"""What other programs' files tell of relationships, in each spelling that they have, with the line that tells it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from fkexplorer.config.known import SourceFiles
from fkexplorer.known import dbml, dbt, prisma, tbls
from fkexplorer.known.sources import read_sources

if TYPE_CHECKING:
    from pathlib import Path

    from fkexplorer.known.model import WrittenRelation
    from fkexplorer.known.sources import Reading

Told = tuple[str, tuple[str, ...], str, tuple[str, ...], str]


def told(reading: Reading) -> list[Told]:
    """The relations by their parts; nothing may be wrong."""
    relations, problems = reading
    assert problems == []
    return [parts(each) for each in relations]


def parts(each: WrittenRelation) -> Told:
    return (each.child, each.columns, each.parent, each.parent_columns, each.origin)


DBT = """\
    version: 2
    sources:
      - name: raw
        schema: raw_data
        tables:
          - name: countries
            identifier: "Country codes"
            columns:
              - name: continent
                tests: [{relationships: {to: "source('raw', 'continents')", field: code}}]
    models:
      - name: orders
        config: {alias: shop_orders}
        tests:
          - relationships:
              column_name: placed_by
              to: ref('shop', "staff", v=2)
              field: id
        columns:
          - name: customer_id
            description: one of ours
            tests:
              - not_null
              - relationships:
                  to: ref('customers')
                  field: id
                  severity: warn
          - name: country
            data_tests:
              - unique
              - relationships:
                  name: orders_country_fk
                  arguments:
                    to: source('raw', 'countries')
                    field: code
                  config:
                    where: "kind = 'it''s'"
          - name: coupon
            data_tests:
              - name: coupon_is_there
                test_name: relationships
                to: "{{ ref('coupons') }}"
                field: '"Code"'
    seeds:
      - name: coupons
        columns:
          - name: order
            tests:
              - relationships: {to: ref('orders'), field: id}
"""


def test_dbt() -> None:
    relations, problems = dbt.relations([("a.yml", dedent(DBT))])
    assert problems == []
    assert [parts(each) for each in relations] == [
        ("shop_orders", ("placed_by",), "staff", ("id",), "a.yml:15"),
        ("shop_orders", ("customer_id",), "customers", ("id",), "a.yml:24"),
        ("shop_orders", ("country",), 'raw_data."Country codes"', ("code",), "a.yml:31"),
        ("shop_orders", ("coupon",), "coupons", ('"Code"',), "a.yml:40"),
        ("coupons", ("order",), "shop_orders", ("id",), "a.yml:49"),
        ('raw_data."Country codes"', ("continent",), "raw.continents", ("code",), "a.yml:10"),
    ]
    assert [each.only for each in relations if each.only] == [("kind", "it's")]


def test_a_model_of_another_dbt_file() -> None:
    files = [
        ("a.yml", "models: [{name: a, columns: [{name: b, tests: [{relationships: {to: ref('b'), field: id}}]}]}]"),
        ("b.yml", "models: [{name: b, alias: bees}]"),
    ]
    assert told(dbt.relations(files)) == [("a", ("b",), "bees", ("id",), "a.yml:1")]


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("{to: ref('b')}", "wants a column, to and field"),
        ("{to: b, field: id}", "b is neither ref('model') nor source"),
        ("{to: source('b'), field: id}", "source('b') is neither"),
        ("{to: ref(b), field: id}", "ref(b) is neither"),
        ("{to: ref('b'), field: id, config: {where: 'x > 3'}}", "only column = 'value' is understood of a where"),
    ],
)
def test_a_dbt_test_that_is_not_understood(test: str, words: str) -> None:
    text = f"models:\n - name: a\n   columns:\n   - name: b\n     tests:\n     - relationships: {test}\n"
    relations, problems = dbt.relations([("a.yml", text)])
    assert relations == []
    [problem] = problems
    assert problem.startswith("a.yml:6: ")
    assert words in problem


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "models: 3", "models: [3]", "models: [{name: 3}]", "models: [{name: a, columns: 3}]"]
)
def test_yaml_that_tells_nothing(text: str) -> None:
    assert dbt.relations([("a.yml", text)]) == ([], [])
    assert tbls.relations([("a.yml", text)]) == ([], [])


def test_what_is_no_yaml_is_told_with_its_line() -> None:
    for read in (dbt.relations, tbls.relations):
        relations, problems = read([("a.yml", "a: b\nc: [\nd: }\n"), ("b.yml", "a: !!python/object:os.x {}")])
        assert relations == []
        [problem] = problems
        assert problem.startswith("a.yml: it is no YAML on line 3")


def test_tbls() -> None:
    text = """\
        dsn: postgres://x
        relations:
          - table: public.logs
            columns: [user_id]
            parentTable: users
            parentColumns:
              - id
            def: logs->users
          -
            table: public.Order Items
            columns: [tenant, "order"]
            parentTable: "orders"
            parentColumns: [tenant, no]
        comments:
          - table: logs
    """
    assert told(tbls.relations([(".tbls.yml", dedent(text))])) == [
        ("public.logs", ("user_id",), "users", ("id",), ".tbls.yml:3"),
        ("public.Order Items", ("tenant", "order"), "orders", ("tenant", "no"), ".tbls.yml:10"),
    ]
    relations, problems = tbls.relations([("t.yml", "relations:\n- table: a\n  columns: [b]\n  parentTable: c\n")])
    assert relations == []
    assert problems == ["t.yml:2: a relation wants table, columns, parentTable and parentColumns"]


PRISMA = """\
    datasource db { provider = "postgresql" }
    // model Ghost { x Int }
    model User {
      id        Int      @id @default(autoincrement())
      email     String   @unique @map("e mail") // { not a brace }
      posts     Post[]   @relation("written")
      /// a comment } of the field
      boss      User?    @relation("bosses", fields: [bossId], references: [id], onDelete: SetNull)
      bossId    Int?     @map("boss \\"id\\"")
      staff     User[]   @relation("bosses")

      @@map("users")
    }

    model Post {
      id        Int @default(dbgenerated("nextval('x')"))
      author    User     @relation(
        name: "written",
        fields: [authorMail], // by mail
        references: [email]
      )
      authorMail String  @map(name: "author_mail")
      tenant    Int
      no        Int
      place     Place?   @relation(fields: [tenant, no], references: [tenant, number])
      /* @relation(fields: [a], references: [b]) */
      @@id([tenant, no])
      @@schema("blog")
    }
    view Place {
      tenant Int
      number Int
      posts  Post[]
      @@unique([tenant, number])
      @@map(name: "places")
      @@schema("geo")
    }
    enum Role { ADMIN }
"""


def test_prisma() -> None:
    assert told(prisma.relations([("schema.prisma", dedent(PRISMA))])) == [
        ("users", ('"boss ""id"""',), "users", ("id",), "schema.prisma:8"),
        ('blog."Post"', ("author_mail",), "users", ('"e mail"',), "schema.prisma:17"),
        ('blog."Post"', ("tenant", "no"), "geo.places", ("tenant", "number"), "schema.prisma:25"),
    ]


def test_prisma_in_several_files_and_with_mistakes() -> None:
    files = [
        ("a.prisma", "model A {\r\n  b B @relation(fields: [bId], references: [id])\r\n  bId Int\r\n}\r\n"),
        ("b.prisma", "model B {\n id Int\n c C @relation(fields: [id], references: [id])\n}\n"),
        ("d.prisma", "model D {\n a A @relation(fields: [aId], references: [id])\n aId Int\n}\n"),
    ]
    relations, problems = prisma.relations(files)
    assert [parts(each) for each in relations] == [('"A"', ('"bId"',), '"B"', ("id",), "a.prisma:2")]
    assert problems == ["b.prisma:3: there is no model C", "d.prisma:2: there is no field id"]


DBML = """\
    // a comment with a Ref: x.y > z.w
    Project shop { database_type: 'PostgreSQL' }
    Table users as U [headercolor: #3498DB] {
      id integer [pk]
      email varchar(20) [unique, not null]
      boss_id integer [ref: > users.id, note: 'the boss']
      Note: '''
        ref: > nowhere
      '''
    }
    Table blog."Post s" {
      id integer [pk]
      "author id" integer [ref: > U.id]
      profile integer [ref: - blog.profiles.id]
      tenant int
      no int
      indexes { (tenant, no) [unique] }
    }
    Table blog.profiles { id integer }

    // many
    Ref: blog."Post s".(tenant, no) > places.(tenant, number)
    Ref named {
      users.email < blog.mails.address
    }
    Ref: users.id <> blog.profiles.id
    Ref: users.id - blog.profiles.id [delete: cascade]
    Enum kinds { a b }
"""


def test_dbml() -> None:
    text = dedent(DBML).replace("{ database_type: 'PostgreSQL' }", "{\n  database_type: 'PostgreSQL'\n}")
    text = text.replace("{ id integer }", "{\n  id integer\n}").replace("{ a b }", "{\n a\n b\n}")
    text = text.replace("indexes { (tenant, no) [unique] }", "indexes {\n    (tenant, no) [unique]\n  }")
    lines = text.split("\n")

    def line(of: str) -> str:
        return f"db.dbml:{next(at for at, line in enumerate(lines, 1) if of in line)}"

    assert told(dbml.relations([("db.dbml", text)])) == [
        ("users", ("boss_id",), "users", ("id",), line("boss_id")),
        ('blog."Post s"', ("author id",), "users", ("id",), line('"author id"')),
        ('blog."Post s"', ("profile",), "blog.profiles", ("id",), line("profile integer")),
        ('blog."Post s"', ("tenant", "no"), "places", ("tenant", "number"), line("places.(")),
        ("blog.mails", ("address",), "users", ("email",), line("Ref named")),
        ("users", ("id",), "blog.profiles", ("id",), line("[delete")),
    ]


def test_what_is_no_dbml_is_told_with_its_line() -> None:
    relations, problems = dbml.relations([("a.dbml", "Table a {\n  id integer\n}\nRefx: a.b\n")])
    assert relations == []
    [problem] = problems
    assert problem.startswith("a.dbml:4: it is no DBML")


def test_files_are_found_by_patterns(tmp_path: Path) -> None:
    def source(kind: str, pattern: str) -> SourceFiles:
        return SourceFiles(kind, pattern, tmp_path / "p", ".fkexplorer.toml:9")

    model = "models: [{{name: {0}, columns: [{{name: b, tests: [{{relationships: {{to: ref('c'), field: id}}}}]}}]}}]"
    for at in ("p/models/b.yml", "p/models/deep/a.yml", "away.yml"):
        path = tmp_path / at
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(model.format(path.stem))
    (tmp_path / "p" / "bad.dbml").write_bytes(b"\xff")
    relations, problems = read_sources(
        [
            source("dbt", "models/**/*.yml"),
            source("dbt", "models/b.yml"),
            source("dbt", str(tmp_path / "away.yml")),
            source("tbls", ".tbls.yml"),
            source("prisma", "*.prisma"),
            source("dbml", "bad.dbml"),
        ],
        tmp_path / "p",
    )
    assert [(each.child, each.origin) for each in relations] == [
        ("b", "models/b.yml:1"),
        ("a", "models/deep/a.yml:1"),
        ("away", f"{tmp_path}/away.yml:1"),
    ]
    assert problems == [
        ".fkexplorer.toml:9: .tbls.yml can't be read: No such file or directory",
        ".fkexplorer.toml:9: *.prisma can't be read: No such file or directory",
        ".fkexplorer.toml:9: bad.dbml is not UTF-8",
    ]


def test_dbt_without_the_nulls_of_its_own_column_is_about_all_rows() -> None:
    test = "{{to: ref('users'), field: id, where: '{}'}}"
    head = "models: [{name: posts, columns: [{name: author_id, tests: [{relationships: "
    for where in ("author_id is not null", '"author_id" IS NOT NULL'):
        [relation], problems = dbt.relations([("s.yml", f"{head}{test.format(where)}}}]}}]}}]")])
        assert (relation.columns, relation.only, problems) == (("author_id",), None, [])
    found, problems = dbt.relations([("s.yml", f"{head}{test.format('deleted_at is not null')}}}]}}]}}]")])
    assert not found
    assert len(problems) == 1
