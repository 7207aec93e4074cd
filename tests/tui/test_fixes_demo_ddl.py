"""Each fix of a constraint on the demo, by keys: armed, previewed, confirmed by its name, verified in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from tests.tui.on_demo import answered, back, do, look, verified
from tests.tui.test_fixes import armed, by_hand, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.schema.model import Relationship
    from tests.tui.helpers import Person

__all__ = ["by_hand"]


def definition(name: str, schema: str) -> str:
    """A query of a constraint's definition."""
    namespace = f"connamespace = '{schema}'::regnamespace"
    return f"SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = '{name}' AND {namespace}"


def edges(person: Person) -> Iterable[Relationship]:
    """Those that the app knows now."""
    schema = person.app.world.schema
    return schema.edges.values() if schema else ()


async def test_a_clean_constraint_is_validated(demo_copy: str) -> None:
    name = "accounts_user_id_fkey"
    [(valid, _)] = await rows(demo_copy, definition(name, "nextauth"))
    assert valid is False
    async with armed(demo_copy) as person:
        text = await look(person, "nextauth.accounts", name, "v")
        assert "VALIDATE CONSTRAINT" in text
        assert verified(await do(person, name), 0, 0)
    [(valid, _)] = await rows(demo_copy, definition(name, "nextauth"))
    assert valid is True


async def test_a_constraint_that_calls_orphans_valid_is_mended_and_really_checked(demo_copy: str) -> None:
    name = "payments_invoice_id_fkey"
    before = await rows(demo_copy, definition(name, "billing"))
    [(oid,)] = await rows(demo_copy, f"SELECT oid FROM pg_constraint WHERE conname = '{name}'")
    async with armed(demo_copy) as person:
        text = await look(person, "billing.payments", name, "d")
        assert "billing.payments: 4 deleted" in text
        assert verified(await do(person, "4"), 4, 0)
        await back(person)
        edge = person.edge(name).oid
        await person.until(lambda: person.app.world.counts[edge].orphans == 0)
        text = await look(person, "billing.payments", name, "r")
        assert "NOT VALID" in text
        assert verified(await do(person, name), 0, 0)
        # And no row is deleted with its parent any more, nor set to anything.
        await back(person)
        await person.until(lambda: any(each.name == name and each.oid != oid for each in edges(person)))
        text = await look(person, "billing.payments", name, "2")
        assert "ON DELETE RESTRICT" in text
        await do(person, name)
    [(valid, whole)] = await rows(demo_copy, definition(name, "billing"))
    assert before == [(True, str(whole).removesuffix(" ON DELETE RESTRICT"))]
    assert valid is True


async def test_a_constraint_is_added_to_a_pair_of_columns(demo_copy: str) -> None:
    async with armed(demo_copy) as person:
        await person.press("=")
        await person.until(lambda: isinstance(person.app.screen, ModalScreen))
        await person.settle()
        await person.press("ctrl+u")
        await person.type("workspaces.workspace_members(user_id):workspaces.users(privy_did)")
        await person.press("ctrl+f")
        text = await answered(person, "c", "members_users_fkey", "cascade")
        assert "NOT VALID" in text
        assert "VALIDATE CONSTRAINT" in text
        assert verified(await do(person, "members_users_fkey"), 0, 0)
        await back(person)
        await person.until(lambda: any(each.name == "members_users_fkey" for each in edges(person)))
    [(valid, whole)] = await rows(demo_copy, definition("members_users_fkey", "workspaces"))
    assert valid is True
    assert whole == "FOREIGN KEY (user_id) REFERENCES workspaces.users(privy_did) ON DELETE CASCADE"
