"""Notifications whose time is never over before they are shown: for such a one Textual's timer would spin for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App
from textual.notifications import Notification

if TYPE_CHECKING:
    from textual.notifications import Notify

_LEAST = 0.01


class Lasting(Notification):
    """A notification that can be shown at any time.

    A screen that opens shows again what has not expired, and sets a timer to the time that is left. Where that has
    become less than 0 in the few microseconds between the two, the timer's loop never ends, and the app is frozen.
    """

    @property
    def time_left(self) -> float:
        """Seconds, more than 0."""
        return max(_LEAST, super().time_left)

    @property
    def has_expired(self) -> bool:
        """Whether its time is over."""
        return super().time_left <= 0


class ToastingApp(App[int], inherit_bindings=False):
    """Shows only such."""

    def on_notify(self, event: Notify) -> None:
        """Comes before Textual's own handler, which shows it."""
        event.notification = Lasting(**vars(event.notification))
