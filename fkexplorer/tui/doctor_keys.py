"""The keys of the main screen that ask the doctor: about a foreign key, or about all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.tui.explain_keys import ExplainKeys

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship


class DoctorKeys(ExplainKeys):
    """The panes, with the doctor."""

    def action_doctor(self) -> None:
        """What is wrong with the edge under the cursor."""
        edge = self.world.edge(self.moment().edge)
        if self.may("doctor") and edge is not None:
            self._doctor(edge)

    def action_doctor_all(self) -> None:
        """What is wrong with any of them."""
        if self.may("doctor_all"):
            self._doctor(None)

    def _doctor(self, edge: Relationship | None) -> None:
        from fkexplorer.tui.doctor import DoctorScreen  # noqa: PLC0415 - the first frame does without

        self.app.push_screen(DoctorScreen(self, edge))
