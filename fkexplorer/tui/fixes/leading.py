"""The way from a fix that was chosen, or that a diagnosis suggests, to its preview: what it has to be told is asked."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import TYPE_CHECKING, Any

from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import table_label
from fkexplorer.tui.fixes.asking import FieldsScreen, fields_for
from fkexplorer.tui.fixes.deed import DeedScreen
from fkexplorer.tui.rows import Marks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import App

    from fkexplorer.diagnosis.model import Suggestion
    from fkexplorer.schema.model import Schema
    from fkexplorer.tui.fixes.deeds import Fix
    from fkexplorer.tui.world import World

OF_ROWS = frozenset(
    {
        FixAction.DELETE,
        FixAction.SET_NULL,
        FixAction.SET_DEFAULT,
        FixAction.REPOINT,
        FixAction.INSERT_PARENTS,
        FixAction.QUARANTINE,
    }
)
"""What can be done about some orphans and not about others."""


def marks_of(wish: Suggestion) -> Marks:
    """The rows, or the key of rows, that a suggestion is for."""
    if wish.action not in OF_ROWS or wish.action is FixAction.INSERT_PARENTS:
        return Marks()
    return Marks(rows=wish.rows) if wish.rows else Marks(missing=(wish.key,) if wish.key else ())


def lead_on(
    app: App[Any], fix: Fix, *, world: World, title: str, wish: Suggestion | None = None, asks: bool = True
) -> None:
    """To the preview of a fix; what it has to be told is asked first.

    Args:
        app: where it is shown.
        fix: the fix, told nothing yet.
        world: what is known.
        title: what it is, for people.
        wish: what a diagnosis suggests to tell it.
        asks: whether there may be something to tell it at all.
    """
    # One key alone is what marks are for, and no part of a suggestion that is for all of them.
    no_key = fix.partial or (wish is not None and wish.scope is not None and not wish.key)
    asked = fields_for(fix.schema, fix.edge, fix.action) if asks else []
    fields = [each for each in asked if not (no_key and each.option == "key")]

    def preview(values: Mapping[str, str] | None) -> None:
        if values is not None:
            fix.tell(values)
            app.push_screen(DeedScreen(fix.session, world, fix))

    if fields:
        find = partial(fix.session.find_parents, fix.schema, fix.edge)
        app.push_screen(FieldsScreen(title, fields, find, _told_by(fix.schema, wish)), preview)
    else:
        preview({})


def _told_by(schema: Schema, wish: Suggestion | None) -> dict[str, str]:
    """What a suggestion says of the fields, as they are written."""
    if wish is None or wish.action is FixAction.REPOINT:
        return {}
    told = {"source": table_label(schema.tables[wish.source])} if wish.source is not None else {}
    if wish.scope is not None:
        told["scope"] = wish.scope.value
    if wish.key:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(wish.key)
        told["key"] = line.getvalue() if len(wish.key) > 1 else wish.key[0] or ""
    return told
