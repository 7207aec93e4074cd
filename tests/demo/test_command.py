"""`--demo` from the command line: the demo, wherever the caller's environment points to."""

from __future__ import annotations

from tests.commands import environment, run


async def test_check_on_the_demo() -> None:
    done = await run("check", "--demo", env=environment())
    assert done.code == 1
    assert "44 of 44 foreign keys checked, 8 with orphans: 66 orphans" in done.out
    assert "demo@[local]/demo (--demo)" in done.err


async def test_libpq_variables_lead_nowhere_else() -> None:
    elsewhere = {"PGSERVICE": "nope", "PGHOSTADDR": "127.0.0.9", "PGOPTIONS": "-c role=nobody", "PGUSER": "nobody"}
    done = await run("rows", "shipments_order_id_fkey", "--keys", "--demo", env=environment(**elsewhere))
    assert done.code == 0, done.err
    assert "4 missing keys" in done.err
