"""What the doctor says of the demo: what somebody who knows its incidents would say, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.demo.database import build_demo
from fkexplorer.doctor.model import Severity
from tests.doctor.examined import examined

if TYPE_CHECKING:
    from collections.abc import Callable

UNSURE = [
    ("orphans_under_valid", "billing.payments.payments_invoice_id_fkey"),
    ("not_valid", "nextauth.accounts.accounts_user_id_fkey"),
    ("not_valid", "shop.orders.orders_customer_id_fkey"),
    ("orphans_under_valid", "shop.page_views.page_views_product_id_fkey"),
    ("not_valid", "shop.pick_tasks.pick_tasks_warehouse_bin_fkey"),
    ("triggers_disabled", "shop.reviews.reviews_product_id_fkey"),
    ("orphans_under_valid", "shop.shipments.shipments_order_id_fkey"),
    ("not_enforced", "shop.wish_list_items.wish_list_items_product_id_fkey"),
    (
        "orphans_under_valid",
        "workspaces_dangling.workspace_members.workspace_members_workspace_id_workspaces_id_fk",
    ),
    ("partly_null", "shop.stock.stock_warehouse_bin_fkey"),
    ("partly_null", "shop.tickets.tickets_department_id_assignee_id_fkey"),
    ("deferred", "shop.departments.departments_head_id_fkey"),
]
HURTS = [("rules_disagree", "shop.customers"), ("rules_disagree", "workspaces.workspaces")]


async def test_of_forty_constraints_those_that_something_is_wrong_with(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("")
    build_demo(conninfo)
    found = await examined(conninfo)
    assert [(each.code, each.subject) for each in found.of(Severity.WARNING)] == UNSURE
    assert [(each.code, each.subject) for each in found.of(Severity.NOTICE)] == HURTS
    assert not found.of(Severity.ERROR)
    assert not found.not_looked
    # Each says why it matters, what was seen and when, and what can be done, as SQL or as something to be decided.
    for each in found.findings:
        assert all((each.text, each.seen, each.why, each.treatment.statements, each.treatment.forecast)), each
