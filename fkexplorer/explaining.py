"""The command `explain`: any text in, its foreign-key errors out; with a database what is true of each now, and why.

A file, or a pipe that ends at once, is read and then explained. A pipe that falls silent is followed: what has come is
explained while it stands, until it ends.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.model import Diagnosis
from fkexplorer.diagnosis.reading.reader import CHUNK, Reader
from fkexplorer.reports.explain import explain_text, summary
from fkexplorer.reports.explain_json import explain_json
from fkexplorer.version import version

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.reading.model import Reading
    from fkexplorer.schema.model import Schema

MENDED, LIVE, COULD_NOT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What `explain` was asked."""

    file: str = "-"
    """`-` is stdin."""
    format: str = "text"
    edge: str | None = None
    """Which foreign key the text means, where it may mean several."""
    max_bytes: int = 1 << 30

    @classmethod
    def of(cls, options: argparse.Namespace) -> ExplainOptions:
        """From the command line; a report has no format to choose."""
        return cls(options.file, getattr(options, "format", "markdown"), options.edge, options.max_bytes)


def parse_only(console: Console, options: ExplainOptions) -> int:
    """Print what a text says, without a database; the exit code.

    Raises:
        Trouble: the file cannot be read (`no_file`).
    """
    reader = Reader()
    with opened(console, options.file) as descriptor:
        while chunk := os.read(descriptor, CHUNK):
            reader.feed(chunk)
    reading = reader.close()
    diagnoses = [Diagnosis(found, None) for found in reading.found]
    show(console, options, reading, diagnoses, None, None)
    if diagnoses:
        console.say("no database was named: this is what the text says alone (-d URL, --demo or $DATABASE_URL)")
    return MENDED


async def explain(database: Database, console: Console, settings: Settings, options: ExplainOptions) -> int:
    """Print what a text says and what the database says about it; the exit code.

    Returns:
        1 where an error would come again now, 2 where that is not known of one and none would, else 0.

    Raises:
        Trouble: the file cannot be read (`no_file`), the edge that was named is none, or the connection is lost.
    """
    from fkexplorer.following import Explaining  # noqa: PLC0415 - without a database it is not needed

    explaining = await Explaining.begin(database, console, settings, options.max_bytes, options.edge)
    reader = Reader()
    with opened(console, options.file) as descriptor:
        follow = options.format == "text" and not stat.S_ISREG(os.fstat(descriptor).st_mode)
        await explaining.read(descriptor, reader, follow=follow)
    reading = reader.close()
    diagnoses = await explaining.finish(reading)
    if explaining.following:
        console.say(f"the text has ended: {summary(diagnoses)}" if diagnoses else no_error(reading))
    else:
        show(console, options, reading, diagnoses, database, explaining.schema)
    return verdict(console, diagnoses)


async def report(database: Database, console: Console, settings: Settings, options: ExplainOptions) -> int:
    """Print the incident report of a text; the exit code.

    Raises:
        Trouble: as `explain` does.
    """
    from fkexplorer.crash import state_folder  # noqa: PLC0415 - without a database these are not needed
    from fkexplorer.diagnosis.asking import clock  # noqa: PLC0415
    from fkexplorer.fixes.journal import Journal, who  # noqa: PLC0415
    from fkexplorer.following import Explaining  # noqa: PLC0415
    from fkexplorer.reports.incident import incident_markdown  # noqa: PLC0415

    explaining = await Explaining.begin(database, console, settings, options.max_bytes, options.edge)
    reader = Reader()
    with opened(console, options.file) as descriptor:
        await explaining.read(descriptor, reader, follow=False)
    reading = reader.close()
    diagnoses = await explaining.finish(reading)
    if diagnoses:
        lines = incident_markdown(
            diagnoses,
            explaining.schema,
            database.facts,
            now=await clock(database),
            prepared_by=who()["person"],
            entries=Journal(state_folder(os.environ)).entries(),
        )
        console.lines(lines)
    console.say(summary(diagnoses) if diagnoses else no_error(reading))
    return MENDED


def verdict(console: Console, diagnoses: Sequence[Diagnosis]) -> int:
    """The exit code; what is not known is said."""
    if any(each.live for each in diagnoses):
        return LIVE
    unknown = [each for each in diagnoses if each.live is None]
    if not unknown:
        return MENDED
    placed = unknown[0].placed
    several = placed is not None and len(placed.candidates) > 1
    hint = "what was found says why" if unknown[0].findings else "the text names too little to look for"
    console.trouble(
        Trouble(
            f"whether {'the error' if len(diagnoses) == 1 else f'{len(unknown)} of the errors'} would come again is not"
            " known",
            "say which foreign key is meant: --edge schema.table.constraint" if several else hint,
            code="unknown",
        )
    )
    return COULD_NOT


def show(  # noqa: PLR0917 - what is shown, in the order in which it came to be
    console: Console,
    options: ExplainOptions,
    reading: Reading,
    diagnoses: Sequence[Diagnosis],
    database: Database | None,
    schema: Schema | None,
) -> None:
    """Print all of it at once."""
    facts = database.facts if database else None
    place = facts.place if facts else ""
    if options.format == "json":
        console.data(explain_json(diagnoses, reading, schema, facts, version=version()) + "\n")
    elif options.format == "markdown":
        from fkexplorer.reports.incident import findings_markdown  # noqa: PLC0415 - the other formats do without

        console.lines(findings_markdown(diagnoses, schema, place=place))
    else:
        for at, each in enumerate(diagnoses):
            lines = explain_text(each, schema, place=place, cells=console.width, ascii=console.ascii)
            console.lines([*([""] if at else []), *lines])
    console.say(summary(diagnoses) if diagnoses else no_error(reading))


def no_error(reading: Reading) -> str:
    """That there is none, and what there is."""
    words = f"no foreign-key error in {reading.lines:,} line{'' if reading.lines == 1 else 's'}"
    other = f"{reading.others:,} other error{'' if reading.others == 1 else 's'} of a database"
    return f"{words}; {other}" if reading.others else words


@contextlib.contextmanager
def opened(console: Console, file: str) -> Iterator[int]:
    """The descriptor of the text; whoever sits at a terminal is told what to do.

    Raises:
        Trouble: it cannot be opened or read (`no_file`).
    """
    try:
        if file == "-":
            if sys.stdin is None:
                raise Trouble("there is no text: stdin is closed", "name a file, or pipe a text in", code="no_file")
            if sys.stdin.isatty():
                console.say("paste the text, then Ctrl-D")
            yield sys.stdin.fileno()
            return
        descriptor = os.open(file, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Trouble(
            f"{file} cannot be read: {error.strerror}", "name a file, or - for stdin", code="no_file"
        ) from None
