"""How the tests of the demo ask its database: foreign keys as the catalogue has them, and single rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

ORPHANS = {
    # constraint: orphans, missing keys. Every other constraint has none.
    "workspaces_dangling.workspace_members_workspace_id_workspaces_id_fk": (1, 1),
    "shop.orders_customer_id_fkey": (23, 7),
    "shop.shipments_order_id_fkey": (7, 4),
    "shop.reviews_product_id_fkey": (12, 5),
    "shop.page_views_product_id_fkey": (8, 3),
    "shop.pick_tasks_warehouse_bin_fkey": (5, 4),
    "shop.wish_list_items_product_id_fkey": (6, 6),
    "billing.payments_invoice_id_fkey": (4, 3),
}
NOT_ENFORCED = "shop.wish_list_items_product_id_fkey"  # from PostgreSQL 18
SET_NULL_OF_ONE = "shop.tickets_department_id_assignee_id_fkey"  # from PostgreSQL 15

EDGES = """
    SELECT n.nspname || '.' || k.conname AS id, k.oid, k.conrelid::regclass::text AS child,
        k.confrelid::regclass::text AS parent, k.convalidated, k.confmatchtype = 'f' AS match_full, k.confdeltype::text,
        (SELECT array_agg(quote_ident(a.attname) ORDER BY i) FROM unnest(k.conkey) WITH ORDINALITY u (attnum, i)
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS child_columns,
        (SELECT array_agg(quote_ident(a.attname) ORDER BY i) FROM unnest(k.confkey) WITH ORDINALITY u (attnum, i)
         JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS parent_columns,
        (SELECT count(*) FROM pg_trigger t WHERE t.tgenabled NOT IN ('O', 'A') AND t.tgconstraint IN (
            SELECT k.oid UNION SELECT c.oid FROM pg_constraint c WHERE c.conparentid = k.oid)) AS triggers_off
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
    WHERE k.contype = 'f' AND k.conparentid = 0
"""


@dataclass(frozen=True)
class Edge:
    """A foreign key as the catalogue has it."""

    id: str
    oid: int
    child: str
    parent: str
    validated: bool
    match_full: bool
    on_delete: str
    child_columns: list[str]
    parent_columns: list[str]
    triggers_off: int

    def orphans(self) -> str:
        """A query of the orphans' key, written apart from the one that is tested elsewhere."""
        pairs = zip(self.child_columns, self.parent_columns, strict=True)
        same = " AND ".join(f"c.{child} = p.{parent}" for child, parent in pairs)
        checked = (" OR " if self.match_full else " AND ").join(f"c.{name} IS NOT NULL" for name in self.child_columns)
        key = ", ".join(f"c.{name}" for name in self.child_columns)
        return (
            f"SELECT ROW({key})::text AS key FROM {self.child} c LEFT JOIN {self.parent} p ON {same} "
            f"WHERE p.{self.parent_columns[0]} IS NULL AND ({checked})"
        )


def one(connection: psycopg.Connection, query: str) -> Any:  # noqa: ANN401 - the query decides
    """The single row of a query; its single value where it has one."""
    (row,) = connection.execute(query.encode()).fetchall()
    return row[0] if len(row) == 1 else row
