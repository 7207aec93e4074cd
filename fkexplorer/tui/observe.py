"""What the monitor tells, taken into what the screen knows: which edges say something else now, and whether to ring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.orphans.events import Advanced, Confirmed, Counted, Deleted, Event, Started, Waiting
from fkexplorer.orphans.model import Bound, Count, Status
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from fkexplorer.orphans.events import Wait
    from fkexplorer.orphans.model import Progress
    from fkexplorer.tui.world import World


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be painted again."""

    edges: frozenset[int] = frozenset()
    """Their rows, and the lines about all."""
    detail: bool = False
    """The lines about what is under the cursor."""
    ring: bool = False
    """Orphans appeared where nobody has been told of any yet."""


NOTHING = Change()


def observe(world: World, event: Event) -> Change:
    """Take one event into the world; those about the whole schema are the app's own."""
    change = NOTHING
    match event:
        case Started(edge):
            world.live.running.add(edge)
            if world.live.counting(edge, world.counts.get(edge)):
                change = Change(frozenset([edge]))
        case Advanced(progress):
            change = _advanced(world, progress)
        case Counted():
            change = _counted(world, event)
        case Confirmed(as_of, edges):  # nothing to paint: the clock looks at ages
            for edge in edges:
                world.live.confirmed[edge] = as_of
                world.live.tried.pop(edge, None)
            world.live.doubted = world.counts.keys() - edges
        case Deleted(since, rows):
            world.live.since, world.live.deleted = since, rows
            change = Change(detail=True)
        case Waiting(waits):
            change = _waiting(world, waits)
    return change


def _advanced(world: World, progress: Progress) -> Change:
    edge = progress.edge
    world.live.progress[edge] = progress
    count = world.counts.get(edge)
    if progress.estimate is not None and not (count and count.known):
        world.live.estimates[edge] = progress.estimate
    return Change(frozenset([edge]))


def _counted(world: World, event: Counted) -> Change:
    live, count = world.live, event.count
    edge = count.edge
    known = world.edge(edge)
    if known is None:  # it is dropped, and the catalogue has been read since
        return NOTHING
    if count.snapshot is None:  # the server was not asked: the time is this computer's
        count = replace(count, as_of=count.as_of + world.ahead)
    in_full = edge in world.in_full
    progress = live.progress.pop(edge, None)
    live.running.discard(edge)
    live.asked.discard(edge)
    world.in_full.discard(edge)
    before = world.counts.get(edge)
    if count.known:
        live.estimates.pop(edge, None)
        live.tried.pop(edge, None)
        world.counts[edge] = count
    elif before is None or not before.known:
        world.counts[edge] = _stopped(count, progress)
    elif count.status not in (Status.SKIPPED, Status.STOPPED) and not in_full:
        # A recount of the monitor's own that took too long takes away no number; that it has an age says enough.
        if event.background and count.status is Status.TIMED_OUT:
            live.tried[edge] = count
        else:
            world.counts[edge] = count
    course = live.history.of(known)
    ring = False
    # Nobody is called for a guess.
    appeared = course is not None and course.appeared == event.count.as_of and event.count.known
    if course is not None and course.appeared is not None and appeared and known.kind is not EdgeKind.INFERRED:
        ring = edge not in live.unseen
        live.appeared[edge] = course.appeared
        live.unseen.add(edge)
    return Change(frozenset([edge]), ring=ring)


def _stopped(count: Count, progress: Progress | None) -> Count:
    """A count that was stopped keeps what it had found."""
    if count.status is not Status.STOPPED or progress is None or not progress.found:
        return count
    return replace(count, status=Status.ORPHANS, orphans=progress.found, bound=Bound.LOWER)


def _waiting(world: World, waits: tuple[Wait, ...]) -> Change:
    before = world.live.waits
    found: dict[int, tuple[Wait, ...]] = {}
    if waits and world.schema is not None:
        longest = sorted(waits, key=lambda wait: wait.since)
        for oid, edge in world.schema.edges.items():
            if concerned := tuple(wait for wait in longest if wait.concerns(edge.child, edge.parent)):
                found[oid] = concerned
    world.live.waits = found
    return Change(frozenset(before.keys() ^ found.keys()), detail=True)
