"""The journal of all fixes made from this machine: what was done, when, by whom, where, and what came of it.

One file of JSON lines, only ever appended to, each line on the disk before the next thing happens. A line is an event
of an entry. The transactions of an entry are its parts, numbered from 0: a batch is one, a step of DDL is one.

    begun        `person`, `machine`, `database`, `system` (which database), `action`, `edge`, `titles` (of the steps),
                 `sql`, `undo`, `lasting`, `gap` (the query that counts it), `ticket`, `approver`; of an undo `undoes`
    backed_up    `part`, `folder`: the rows that this part changes are in it
    made         `part`, `source`, `trigger`, `function`, `back`, `definitions`: what it made, for an undo
    building     `part`, `query`, `done`: a statement that can't be in a transaction begins; by a word, one of `done` if
                 it has come to its end, the query says later what became of it
    committing   `part`, `xid` (`txid_current`), `touched`; of an undo `undone` (the part that it takes back)
    committed    `part`; from whoever asked the server about it `xid`
    rolled_back  `part`, `reason`: this part changed nothing; `xid` likewise
    unknown      `part`: the connection was lost at COMMIT
    verified     `before`, `after`, `gap_before`, `gap_after`
    ended        `ending`, `words`
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import secrets
import socket
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes.entries import Entry, State, Touched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A part whose COMMIT was sent, as far as the journal knows, and nobody heard what came of it."""

    entry: str
    part: int
    xid: int
    system: str
    """Which database it was sent to."""
    query: str = ""
    """Of a statement that was in no transaction: what tells by a word what became of it; `xid` is 0 then."""
    done: tuple[str, ...] = ()
    """The words that say that it is done."""


class Journal:
    """The journal in a folder, and beside it the backups. Several processes may use it at once.

    Args:
        folder: where; it is there (see `state_folder`).
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self._backups = folder / "backups"

    def new_entry(self) -> str:
        """An id that no other entry has: the time, for people, and two random bytes."""
        return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def backup_folder(self, entry: str, part: int | None = None) -> Path:
        """Where the backup of an entry is, or that of one of its parts."""
        folder = self._backups / entry
        return folder if part is None else folder / f"{part:06d}"

    def append(self, entry: str, event: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Write an event; it is on the disk when this returns.

        Raises:
            OSError: it could not be written, or not whole: what there is of the line counts as none.
        """
        line = json.dumps({"entry": entry, "event": event, "at": datetime.now(UTC).isoformat(), **fields})
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.fchmod(file, 0o600)
            size = os.fstat(file).st_size
            # A line that was cut short, by a full disk or a crash, ends here, and spoils no other.
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            rest = memoryview((("\n" if torn else "") + line + "\n").encode())
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        finally:
            os.close(file)
        if not size:
            sync_folder(self.path.parent)

    def events(self) -> list[Event]:
        """All events, oldest first; lines that are not whole are left out."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and {"entry", "event", "at"} <= event.keys():
                found.append(event)
        return found

    def entries(self) -> list[Entry]:
        """All entries, newest first."""
        stories = self._stories()
        undone: dict[str, set[int]] = defaultdict(set)
        for story in stories.values():
            if story.undoes:
                undone[story.undoes] |= {
                    story.parts[part]["undone"] for part in story.committed if "undone" in story.parts[part]
                }
        found = [story.entry(self, undone[story.id]) for story in stories.values()]
        return sorted(found, key=lambda entry: entry.at, reverse=True)

    def entry(self, entry: str) -> Entry | None:
        """The entry with this id, if there is one."""
        return next((each for each in self.entries() if each.id == entry), None)

    def parts_to_undo(self, entry: str) -> list[int]:
        """The parts of an entry that are committed and can be taken back; the last one first.

        Not those that are taken back, or of whose undo the journal does not know what came of it.
        """
        stories = self._stories()
        taken_back = {
            other.parts[part].get("undone")
            for other in stories.values()
            if other.undoes == entry
            for part in other.committed | other.open
        }
        story = stories[entry]
        return sorted((story.committed & (story.backed_up | story.made.keys())) - taken_back, reverse=True)

    def made(self, entry: str, part: int) -> Event | None:
        """What a part of an entry made of the schema, if it is one that did."""
        return self._stories()[entry].made.get(part)

    def system_of(self, entry: str) -> str:
        """Which database an entry was made in, see `system_of` in `parts`."""
        return str(self._stories()[entry].begun["system"])

    def gap_of(self, entry: str) -> str:
        """The query that counts the gap that an entry was about; empty where it was about none."""
        return str(self._stories()[entry].begun.get("gap", ""))

    def pending(self) -> list[Pending]:
        """The parts of which the journal does not know what came of their COMMIT."""
        return [
            Pending(
                story.id,
                part,
                story.parts[part].get("xid", 0),
                story.begun["system"],
                story.parts[part].get("query", ""),
                tuple(story.parts[part].get("done", ())),
            )
            for story in self._stories().values()
            for part in sorted(story.open)
        ]

    def _stories(self) -> dict[str, _Story]:
        stories: dict[str, _Story] = {}
        for event in self.events():
            if event["event"] == "begun":
                stories[event["entry"]] = _Story(event)
            elif event["entry"] in stories:
                stories[event["entry"]].take(event)
        return stories


class _Story:
    """The events of one entry, taken together."""

    def __init__(self, begun: Event) -> None:
        self.id: str = begun["entry"]
        self.begun = begun
        self.parts: dict[int, Event] = {}
        """The last `committing` or `building` of each part."""
        self.backed_up: set[int] = set()
        self.made: dict[int, Event] = {}
        """The last `made` of each part."""
        self.committed: set[int] = set()
        self.open: set[int] = set()
        self.ended: Event | None = None
        self.verified: Event = {}
        """What was counted before and after."""

    @property
    def undoes(self) -> str:
        """The entry that this one takes back, if it is an undo."""
        return str(self.begun.get("undoes", ""))

    def take(self, event: Event) -> None:
        """Go on with the next event."""
        part = event.get("part", -1)
        if "xid" in event and event["event"] != "committing" and event["xid"] != self.parts[part].get("xid", 0):
            return  # Somebody asked about a try that was over, while the next one went on.
        match event["event"]:
            case "backed_up":
                self.backed_up.add(part)
            case "made":
                self.made[part] = event
            case "committing" | "building":
                self.parts[part] = event
                self.open.add(part)
            case "committed":
                self.open.discard(part)
                self.committed.add(part)
            case "rolled_back":
                self.open.discard(part)
            case "verified":
                self.verified = event
            case "ended":
                self.ended = event

    def entry(self, journal: Journal, undone: set[int]) -> Entry:
        """What people are told of it, when these parts of it are taken back."""
        begun = self.begun
        restorable = self.committed & self.backed_up
        return Entry(
            id=self.id,
            at=datetime.fromisoformat(begun["at"]),
            action=begun["action"],
            edge=begun["edge"],
            database=begun["database"],
            person=begun["person"],
            machine=begun["machine"],
            sql=tuple(begun["sql"]),
            touched=_sum(self.parts[part]["touched"] for part in self.committed),
            state=self._state(undone),
            words=self.ended["words"] if self.ended else "",
            backup=str(journal.backup_folder(self.id)) if restorable else "",
            undo=tuple(begun["undo"]),
            lasting=tuple(begun["lasting"]),
            undoes=self.undoes,
            ticket=begun.get("ticket", ""),
            approver=begun.get("approver", ""),
            **{name: self.verified.get(name) for name in ("before", "after", "gap_before", "gap_after")},
        )

    def _state(self, undone: set[int]) -> State:
        if self.open:
            return State.UNKNOWN
        if not self.committed:
            return State.NOTHING
        if undone and undone >= self.committed & (self.backed_up | self.made.keys()):
            return State.UNDONE
        whole = self.ended is not None and self.ended["ending"] in ("done", "remaining")
        return State.ALL if whole and not undone else State.PART


def _sum(parts: Iterable[list[Mapping[str, Any]]]) -> tuple[Touched, ...]:
    total: dict[str, list[int]] = {}
    for part in parts:
        for each in part:
            numbers = total.setdefault(each["table"], [0, 0, 0])
            for at, verb in enumerate(("deleted", "updated", "inserted")):
                numbers[at] += each[verb]
    return tuple(Touched(table, *numbers) for table, numbers in total.items())


def who() -> dict[str, str]:
    """`person` and `machine`: the system user, behind sudo the one who called it."""
    try:
        person = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        person = str(os.getuid())  # an account without a name, as in a container
    return {"person": person, "machine": socket.gethostname()}


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
