"""The keys of the main screen that guess relationships, decide on guesses, and link two columns by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.reports.sentence import pairing
from fkexplorer.reports.values import number
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import table_label
from fkexplorer.tui.availability import is_guess
from fkexplorer.tui.doctor_keys import DoctorKeys
from fkexplorer.tui.messages import ConnectionLost, words_of
from fkexplorer.tui.theme import painted
from fkexplorer.tui.threads import beside
from fkexplorer.tui.world import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.inference.model import Guess, Inference
    from fkexplorer.schema.difference import Difference
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.fixes.pair import Pair
    from fkexplorer.tui.guesses.deciding import Wish
    from fkexplorer.tui.guesses.said import Decided, Guessed, NotDone, NotGuessed

_GROUP = "guess"


class GuessKeys(DoctorKeys):
    """The panes, with guesses."""

    _wanted: int | None = None
    """The edge that the cursor goes to as soon as it is drawn."""

    # Guesses: looked for, drawn, hidden

    def action_guesses(self) -> None:
        """Look for guesses; stop that; hide those that are shown."""
        if self.stop_guessing() or not self.may("guesses") or self.world.known is None:
            return
        if self.world.inference is not None:
            self._show(None)
            self.say("Guesses are hidden.")
            return
        self.world.guessing = True
        self.show_header()
        guessing = self._guess(self.world.known, self.session.generation)
        self.app.run_worker(guessing, group=_GROUP, exclusive=True, exit_on_error=False, description="guess")

    def stop_guessing(self) -> bool:
        """Give up looking for guesses; whether they were looked for."""
        if self.world.guessing:
            self.app.workers.cancel_group(self.app, _GROUP)
        return self.world.guessing

    async def _guess(self, schema: Schema, generation: int) -> None:
        from fkexplorer.tui.guesses.said import Guessed, NotGuessed  # noqa: PLC0415 - the first frame does without

        try:
            self.post_message(Guessed(generation, await self.session.guess(schema)))
        except Trouble as trouble:
            self.post_message(NotGuessed(trouble))
        except asyncio.CancelledError:
            self.post_message(NotGuessed(None))
            raise

    def on_guessed(self, event: Guessed) -> None:
        """Draw them; tell how many there are, and what could not be looked at."""
        self.world.guessing = False
        if event.generation != self.session.generation:  # of another connection
            self.show_header()
            return
        self._show(event.inference)
        self.say(_found(event.inference), seconds=6)
        if problems := event.inference.problems:
            more = f" ({number(len(problems) - 1, 'more problem')}: + lists them)" if len(problems) > 1 else ""
            self.say(f"Not all could be looked at: {problems[0]}{more}", severity="warning", seconds=10)

    def on_not_guessed(self, event: NotGuessed) -> None:
        """Say why not."""
        self.world.guessing = False
        self.show_header()
        if event.trouble is None:
            self.say("Guessing was stopped.")
            return
        self.say(f"Nothing could be guessed: {words_of(event.trouble)}", severity="error")
        if event.trouble.code == "lost":
            self.app.post_message(ConnectionLost(self.session.generation, event.trouble))

    def _show(self, inference: Inference | None) -> None:
        """Show these guesses from now on, or none; the monitor counts those that are drawn."""
        self.world.inference = inference
        self.world.guessed_at = painted(self.app).now()
        self.world.live.guesses = {each.edge.oid: each for each in inference.guesses} if inference else {}
        self.session.guesses = inference.shown if inference else None
        self.show_all()
        self._read_again()

    def _read_again(self) -> None:
        self.app.run_worker(self._again(), group="draw", exit_on_error=False, description="draw")

    async def _again(self) -> None:
        from fkexplorer.tui.guesses.said import NotDone  # noqa: PLC0415 - as above

        try:
            await self.session.read_again()
        except Trouble as trouble:
            self.post_message(NotDone(trouble))

    def take_schema(self, changes: Iterable[Difference] = ()) -> None:
        """As of the panes; what is guessed or linked changes because somebody here wants it to, and is not told."""
        if self.session.guesses is None and self.world.inference is not None:  # another database was connected to
            self.world.inference, self.world.live.guesses = None, {}
        super().take_schema([each for each in changes if each.oid >= 0])
        self._go()

    def action_close(self) -> None:
        """Esc: first it stops guessing."""
        if not self.stop_guessing():
            self.close_layer()

    def close_layer(self) -> None:
        """Hook: close what lies on top."""

    # Deciding

    def action_accept(self) -> None:
        """Accept the guess under the cursor; where there is none, the list of all."""
        if not self.may("accept"):
            return
        edge = self._here
        if edge is not None and is_guess(edge):
            from fkexplorer.tui.guesses.deciding import Decision, Wish  # noqa: PLC0415 - as above

            self._confirm(Wish(Decision.ACCEPT, edge))
        else:
            self._list()

    def action_reject(self) -> None:
        """Reject the guess under the cursor, or take a link back."""
        edge = self._here
        if not self.may("reject") or edge is None or self.world.known is None:
            return
        from fkexplorer.tui.guesses.deciding import Wish, taken_back  # noqa: PLC0415 - as above

        self._confirm(Wish(taken_back(self.world.known, self.session.settings, edge), edge))

    @property
    def _here(self) -> Relationship | None:
        """What is under the cursor."""
        return self.world.edge(self.moment().edge) if self.view is not View.TABLES else None

    def _list(self) -> None:
        from fkexplorer.tui.guesses.listed import GuessesScreen  # noqa: PLC0415 - as above

        schema, inference, at = self.world.schema, self.world.inference, self.world.guessed_at
        if schema is not None and inference is not None and at is not None:
            self.app.push_screen(GuessesScreen(schema, inference, at), self._chosen)

    def _chosen(self, chosen: Wish | Guess | None) -> None:
        from fkexplorer.tui.guesses.deciding import Wish  # noqa: PLC0415 - as above

        if isinstance(chosen, Wish):
            self._confirm(chosen)
        elif chosen is not None:
            self.go_to_edge(chosen.edge)

    def _confirm(self, wish: Wish) -> None:
        """Ask whether it is meant; it is written on Enter."""
        from fkexplorer.tui.guesses.deciding import DecideScreen  # noqa: PLC0415 - as above

        schema = self.world.known
        if schema is None:
            return

        def answered(reason: str | None) -> None:
            if reason is not None:
                deciding = self._decide(schema, replace(wish, reason=reason))
                self.app.run_worker(deciding, group="decide", exit_on_error=False, description="decide")

        self.app.push_screen(DecideScreen(schema, wish, self.session.settings.file), answered)

    async def _decide(self, schema: Schema, wish: Wish) -> None:
        from fkexplorer.tui.guesses.said import Decided, NotDone  # noqa: PLC0415 - as above

        try:
            settings = await beside(partial(wish.written, schema, self.session.settings))
        except Trouble as trouble:
            self.post_message(NotDone(trouble))
        else:
            self.post_message(Decided(wish, settings))

    def on_decided(self, event: Decided) -> None:
        """Say so; the catalogue is read again with it."""
        from fkexplorer.tui.guesses.deciding import Decision  # noqa: PLC0415 - as above

        wish, schema = event.wish, self.world.known
        self.session.settings = event.settings
        if schema is not None:
            self.say(wish.decision.done.format(pair=pairing(schema, wish.edge), file=event.settings.file), seconds=6)
        if wish.decision in (Decision.ACCEPT, Decision.LINK):
            self._wanted = wish.edge.oid
        elif (inference := self.world.inference) is not None:
            left = tuple(each for each in inference.guesses if each.edge.oid != wish.edge.oid)
            self.world.inference = replace(inference, guesses=left)
            self.session.guesses = self.world.inference.shown
        self._read_again()

    def on_not_done(self, event: NotDone) -> None:
        """Say why not."""
        self._wanted = None
        self.say(words_of(event.trouble), severity="error", seconds=10)
        if event.trouble.code == "lost":
            self.app.post_message(ConnectionLost(self.session.generation, event.trouble))

    def _go(self) -> None:
        """To the edge that was accepted or linked, once it is there."""
        edge = self.world.edge(self._wanted)
        if edge is not None and edge.kind is not EdgeKind.INFERRED:
            self._wanted = None
            self.go_to_edge(edge)

    def go_to_edge(self, edge: Relationship) -> None:
        """The Lens of its child, the cursor on it."""
        self.focus_table(edge.child, edge=edge.oid)

    # Linking

    def action_link(self) -> None:
        """Ask for a pair of columns: it is linked, or mended without being linked."""
        from fkexplorer.tui.fixes.pair import PairScreen  # noqa: PLC0415 - as above

        schema = self.world.known
        if not self.may("link") or schema is None:
            return
        table = self.world.table(self.moment().table)
        begun = f"{table_label(table)}(" if table is not None else ""
        self.app.push_screen(PairScreen(self.session, schema, begun), partial(self._paired, schema))

    def _paired(self, schema: Schema, pair: Pair | None) -> None:
        if pair is None:
            return
        if pair.fix:
            self.show_fixes(pair.edge, None, ())
        elif pair.edge.oid in schema.edges:
            self.say("It is known already.")
            self.go_to_edge(pair.edge)
        else:
            from fkexplorer.tui.guesses.deciding import Decision, Wish  # noqa: PLC0415 - as above

            self._confirm(Wish(Decision.LINK, pair.edge))


def _found(inference: Inference) -> str:
    """How many guesses there are, of each kind."""
    shown = len(inference.shown)
    words = [f"{number(shown, 'guess is', 'guesses are')} drawn" if shown else "No guess is likely enough to be drawn"]
    others = len(inference.guesses) - shown
    if others:
        words.append(f"{number(others, 'other')} less sure")
    if inference.lonely:
        words.append(f"{number(len(inference.lonely), 'column')} without a table")
    listed = " + lists them." if others or inference.lonely else ""
    return f"{', '.join(words)}.{listed}"
