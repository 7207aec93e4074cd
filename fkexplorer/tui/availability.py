"""Why a key does nothing just now. What cannot be done is greyed with this reason, never hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.schema.model import EdgeKind
from fkexplorer.tui.world import RowsKind, View

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship
    from fkexplorer.tui.world import RowsQuery, World


@dataclass(frozen=True, slots=True)
class Moment:
    """What the keys would act on."""

    view: View
    table: int | None
    edge: int | None
    rows: RowsQuery | None
    secrets: bool
    """The rows shown have secret columns."""
    filtering: bool


_NEEDS_CONNECTION = frozenset(
    (
        *("orphans", "table_orphans", "group", "childless", "unmask", "recount", "stop_count", "fixes", "link"),
        *("trace", "impact", "doctor", "doctor_all", "guesses", "accept", "reject"),
    )
)


def why_not(action: str, world: World, moment: Moment) -> str | None:
    """One short reason why this action does nothing now; None where it does something."""
    name = action.partition("(")[0]
    if world.schema is None and name not in (
        "quit",
        "close_or_quit",
        "interrupt",
        "redraw",
        "help",
        "palette",
        "toggle_bell",
        "close",
        "explain",
        "report",
    ):
        return "the catalogue is not read yet"
    if world.lost and name in _NEEDS_CONNECTION:
        return "the connection is lost: R reconnects"
    check = _CHECKS.get(name)
    return check(world, moment) if check else None


def _edge_needed(_world: World, moment: Moment) -> str | None:
    return None if moment.edge is not None else "no foreign key under the cursor"


def _comparable(world: World, moment: Moment) -> str | None:
    edge = world.edge(moment.edge)
    if edge is None:
        return "no foreign key under the cursor"
    return "the types of its columns can't be compared" if any(pair.equals is None for pair in edge.pairs) else None


def _accept(world: World, moment: Moment) -> str | None:
    if is_guess(world.edge(moment.edge)) or world.inference is not None:
        return None
    return "no guess under the cursor: I shows guesses"


def _reject(world: World, moment: Moment) -> str | None:
    edge = world.edge(moment.edge)
    if edge is None or edge.kind is EdgeKind.DECLARED or moment.view is View.TABLES:
        return "no guess under the cursor, nor what was linked"
    return None


def is_guess(edge: Relationship | None) -> bool:
    """Whether it is an edge that nobody has accepted."""
    return edge is not None and edge.kind is EdgeKind.INFERRED


def _sql(world: World, moment: Moment) -> str | None:
    if is_guess(world.edge(moment.edge)):
        return "it is a guess: + accepts it first"
    return _comparable(world, moment)


def _childless(world: World, moment: Moment) -> str | None:
    return _comparable(world, moment) or _rows_of_edge(world, moment)


def _rows_of_edge(world: World, moment: Moment) -> str | None:
    edge = world.edge(moment.edge)
    if edge is None:
        return "no foreign key under the cursor"
    for oid in (edge.child, edge.parent):
        reason = _unreadable(world, oid)
        if reason:
            return reason
    return None


def _unreadable(world: World, oid: int) -> str | None:
    table = world.table(oid)
    if table is None:
        return None
    if not table.privileges.usage:
        return f"no USAGE on schema {table.schema}"
    if not table.privileges.select and not any(column.may_select for column in table.columns):
        return f"no SELECT on {table.name}"
    return None


def _rows_of_table(world: World, moment: Moment) -> str | None:
    if moment.table is None:
        return "no table under the cursor"
    if not world.edges_of(moment.table).known:
        return "this table has no foreign key"
    return _unreadable(world, moment.table)


def _group(world: World, moment: Moment) -> str | None:
    if moment.view is View.ROWS and moment.rows and moment.rows.kind in (RowsKind.TABLE, RowsKind.CHILDLESS):
        return "only the orphans of one foreign key can be grouped"
    return _rows_of_edge(world, moment)


def _unmask(_world: World, moment: Moment) -> str | None:
    if moment.view is not View.ROWS:
        return "only in rows"
    return None if moment.secrets else "no secret column here"


def _mark(world: World, moment: Moment) -> str | None:
    query = moment.rows
    if query is None or query.kind not in (RowsKind.ORPHANS, RowsKind.KEYS):
        return "only orphans of one foreign key, and the keys that they miss"
    edge, table = world.edge(query.edge), world.table(query.table)
    if query.kind is RowsKind.KEYS:
        if edge is not None and any(pair.equals is None for pair in edge.pairs):
            return "keys that can't be compared can't be marked: v shows their rows"
        return "keys with a PERIOD can't be marked" if edge is not None and edge.period else None
    from fkexplorer.orphans.keyset import usable_keys  # noqa: PLC0415 - the first frame does without

    if table is not None and not usable_keys(table):
        # A place in the table may be another row's by the time that it is changed.
        return f"{table.name} has no key that tells its rows apart: v shows the missing keys, which can be marked"
    return None


def _impact(_world: World, moment: Moment) -> str | None:
    if moment.view is not View.ROWS or moment.rows is None:
        return "only in rows"
    return "these keys have no row: v shows those that name them" if moment.rows.kind is RowsKind.KEYS else None


def _stop(world: World, moment: Moment) -> str | None:
    if moment.edge is None:
        return "no foreign key under the cursor"
    return None if moment.edge in world.live.running else "it is not being counted"


def _has_edges(world: World, _moment: Moment) -> str | None:
    return None if world.schema and world.schema.edges else "this database has no foreign key"


def _newest(world: World, _moment: Moment) -> str | None:
    return None if world.live.appeared else "no orphan has appeared since the start"


def _table_needed(_world: World, moment: Moment) -> str | None:
    return None if moment.table is not None else "no table under the cursor"


def _match(_world: World, moment: Moment) -> str | None:
    return None if moment.filtering else "no filter is set: / sets one"


def _back(world: World, moment: Moment) -> str | None:
    # Before the first table on the trail lies the table of tables.
    return None if moment.view is not View.TABLES or world.trail.at > 0 else "the trail begins here"


def _forward(world: World, _moment: Moment) -> str | None:
    return None if world.trail.at + 1 < len(world.trail.places) else "the trail ends here"


def _sort(_world: World, moment: Moment) -> str | None:
    return "rows keep the order of their key" if moment.view is View.ROWS else None


def _fold(_world: World, moment: Moment) -> str | None:
    return None if moment.view is View.LENS else "only in the Lens"


def _report(world: World, _moment: Moment) -> str | None:
    if world.explained is None:
        return "no error was explained: e takes one"
    return None if world.explained.known else "the database was not asked about that error yet"


_CHECKS = {
    "orphans": _rows_of_edge,
    "table_orphans": _rows_of_table,
    "group": _group,
    "childless": _childless,
    "unmask": _unmask,
    "recount": _edge_needed,
    "stop_count": _stop,
    "problem": _has_edges,
    "newest": _newest,
    "lens": _table_needed,
    "match": _match,
    "back": _back,
    "forward": _forward,
    "sort": _sort,
    "fold": _fold,
    "copy_sql": _sql,
    "accept": _accept,
    "reject": _reject,
    "fixes": _edge_needed,
    "doctor": _edge_needed,
    "mark": _mark,
    "impact": _impact,
    "report": _report,
}
