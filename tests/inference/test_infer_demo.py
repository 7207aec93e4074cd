"""What is guessed from the catalogue of a real server: of the demo's four incidents, and of Django's content types."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.demo.database import build_demo
from fkexplorer.inference.infer import infer
from fkexplorer.inference.reading import read_evidence
from fkexplorer.schema.names import edge_label
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_the_undeclared_edges_of_the_demo(make_database: Callable[[str], str]) -> None:
    url = make_database("")
    build_demo(url)
    async with opened(url) as (database, schema):
        evidence = await read_evidence(database, schema)
    found = {edge_label(schema, guess.edge): guess for guess in infer(schema, evidence).shown}
    assert {
        "workspaces.workspace_members(user_id):workspaces.users(privy_did)",
        "workspaces_dangling.workspace_members(user_id):workspaces_dangling.users(privy_did)",
        "nextauth.sessions(user_id):nextauth.users(id)",
        "shop.tickets(department_id):shop.departments(id)",
    } == found.keys()
    refused = found["nextauth.sessions(user_id):nextauth.users(id)"]
    assert refused.edge.pairs[0].equals is None
    assert "text, uuid: can't be declared (42804)" in {each.text for each in refused.reasons}

    # Without its constraints most of it is found again, by names and types alone.
    guesses = infer(replace(schema, edges={}), evidence).shown
    declared = {
        (edge.child, edge.parent, frozenset(pair.child.number for pair in edge.pairs)) for edge in schema.edges.values()
    }
    again = {
        (each.edge.child, each.edge.parent, frozenset(pair.child.number for pair in each.edge.pairs))
        for each in guesses
    }
    assert len(again & declared) >= 0.8 * len(declared)


DJANGO = """
CREATE TABLE django_content_type (id int PRIMARY KEY, app_label text, model text);
CREATE TABLE blog_blogpost (id int PRIMARY KEY);
CREATE TABLE shop_product (id int PRIMARY KEY);
CREATE TABLE taggit_taggeditem (id int PRIMARY KEY, content_type_id int NOT NULL, object_id int NOT NULL);
INSERT INTO django_content_type VALUES (7, 'blog', 'blogpost'), (8, 'shop', 'product'), (9, 'auth', 'user');
INSERT INTO taggit_taggeditem VALUES (1, 7, 1), (2, 7, 2), (3, 9, 1);
"""


async def test_django_content_types_that_are_in_use(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(DJANGO)) as (database, schema):
        found = infer(schema, await read_evidence(database, schema)).shown
    assert {(schema.parent_of(each.edge).name, each.edge.only.value if each.edge.only else "") for each in found} == {
        ("django_content_type", ""),
        ("blog_blogpost", "7"),
    }
