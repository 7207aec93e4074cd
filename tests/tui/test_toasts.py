"""A notification whose time ends while it is being shown again does not freeze the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.notifications import Notification, Notify
from textual.widgets._toast import Toast

from tests.tui.helpers import opened

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_one_that_ends_as_it_is_made(make_database: Callable[[str], str]) -> None:
    async with opened(make_database("CREATE TABLE p (id int PRIMARY KEY)")) as person:
        event = Notify(Notification("it was", timeout=0, raised_at=0))
        person.app.on_notify(event)
        assert event.notification.has_expired
        await person.app.screen.mount(Toast(event.notification))
        # The loop goes on, and it is gone.
        await person.until(lambda: not person.app.screen.query(Toast))
        person.app.notify("and this is")
        await person.told("and this is")
        [shown] = person.app._notifications
        assert not shown.has_expired
        assert shown.message == "and this is"
