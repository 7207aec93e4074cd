"""What the command line accepts: a parser for the app and one for each command.

argparse, since `--help` and `--version` have to answer in some 50 ms.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, NoReturn

from fkexplorer.config.lines import nearest
from fkexplorer.config.settings import size
from fkexplorer.database.model import Trouble
from fkexplorer.schema.actions import FixAction

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = ("check", "show", "rows", "explain", "report", "trace", "impact", "doctor", "plan", "journal", "undo")
RULES = ("cascade", "set-null", "set-default", "restrict", "no-action")

_ABOUT = """\
Find the foreign keys that are broken, the rows that break them, and why.
Nothing is written to the database unless you permit it, arm it, see the preview and confirm."""

_EXPLAIN = """\
Find the foreign-key errors in any text (a log, a traceback, a pasted message) and say what is wrong, whether it still
is, what can be ruled out and what would mend it. Without a database it only says what the text tells. A pipe that goes
on, as of tail -f, is followed: each new error is explained as it comes."""

_EXPLAIN_EPILOG = """\
exit codes: 0 no error, mended since, or only parsed; 1 an error would come again now; 2 that is not known
"""

_REPORT = """\
Print an incident report in Markdown of the foreign-key errors in a text: summary, error, impact, state of the database,
causes found and ruled out, the fixes as plans that await approval, what was fixed from this machine, queries to verify
it with what they gave, prevention. There is nothing in it that was not found; whoever reviews it signs it."""

_TRACE = """\
Print everywhere that a key lives: in every column that foreign keys tie to it, and in every unique key and foreign key
that could hold the same value, each with some of the rows. What is not searched is listed with the reason."""

_IMPACT = """\
Print what deleting rows would do by foreign keys, without doing it: which rows of which tables would go or change, what
would refuse it, also far below, and where an index is missing that would make it slow."""

_DOCTOR = """\
Print what keeps a constraint from being made, what is made and yet not sure, and what will hurt one day: each with what
was seen in the catalogue, why it matters, and the SQL that mends it with its locks and what will come of it. Without an
argument it looks at every foreign key, and at every pair of columns that is configured."""

_DOCTOR_EPILOG = """\
EDGE is schema.table.constraint, or a pair of columns: "table(column, ...):table(column, ...)". The name of a constraint
that is not there is taken apart, and what it may have meant is called a guess.

--plan prints one script for psql in place of the findings: rows, types, keys, indexes and constraints in their order,
each step guarded, backed up and passed over where it is done already. What somebody has to decide first is named in it.
Nothing is written to the database here.

exit codes: 0 nothing that can't be made, or the plan is printed; 1 there is (--fail-on says what counts); 2 something
could not be looked at
"""

_PLAN = """\
Print the guarded SQL script of a fix, to be read and then run with: psql -X -f FILE
It backs up what it changes, checks what it counts against what was counted now, and aborts where they differ.
Nothing is written to the database here."""

_PLAN_EPILOG = """\
A key of several columns is written as a line of CSV. A CSV file may begin with a line of old,new.
"""

_UNDO = """\
Take a fix back: put back its rows and old values from the backup. In a terminal only, where the preview is shown, and
writing has to be armed and the number of rows confirmed, each by typing."""

_EPILOG = """\
The database: the URL, else -d, else --demo, else $DATABASE_URL, else libpq's own (PGHOST, PGSERVICE, ~/.pgpass).
A URL begins with postgresql://; `host=... dbname=...` and `service=NAME` work too.

commands (each has --help):
  check [URL]    count orphans on every foreign key; exit code 1 if there are any
  show TABLE     one table with its parents and children, as text
  rows EDGE      the rows that break a foreign key
  explain [FILE or -]
                 the foreign-key errors of a text, why they came and what would mend them
  report [FILE or -]
                 the same as an incident report in Markdown
  trace TABLE.COLUMN VALUE
                 everywhere that a key lives
  impact TABLE KEY
                 what deleting that row would do, by table, without doing it
  doctor [EDGE]  what keeps a constraint from being made, is not sure or will hurt, and what mends it
  plan EDGE ACTION
                 the guarded SQL script of a fix, to be run by hand
  journal        the fixes that were done from this machine
  undo ENTRY     take one of them back, in a terminal

Each option also as FKEXPLORER_NAME (--max-bytes as FKEXPLORER_MAX_BYTES), but for the database. Environments, limits,
the bell, relationships that no constraint declares (also those that dbt, tbls, Prisma or DBML files tell) and problems
to be ignored: .fkexplorer.toml here, over $XDG_CONFIG_HOME/fkexplorer/config.toml.

exit codes: 0 nothing wrong; 1 orphans, a live error or what can't be made found; 2 could not do it; 3 a fault
"""


class Each(argparse.Action):
    """A repeatable option: what is given replaces the default, where argparse's own `append` adds to it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's own signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        """Note one more value."""
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [values] if given is self.default else [*given, values])


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a line of reason and a line of hint, as everything that ends with exit code 2."""

    def print_help(self, file: object = None) -> None:  # noqa: ARG002 - argparse's own signature
        """Print the help; a reader that has gone, as `head` does, is no fault."""
        from fkexplorer.console import Console  # noqa: PLC0415

        Console(os.environ).data(self.format_help())

    def error(self, message: str) -> NoReturn:
        raise Trouble(message, f"{self.prog} --help lists what there is", code="usage")


def command_of(argv: list[str]) -> tuple[str, list[str]]:
    """The command's name, "" for the app, and the other arguments: options may stand before the command too."""
    skip = False
    for index, argument in enumerate(argv):
        if skip or (argument.startswith("-") and argument != "-"):
            if argument == "--" and not skip:
                break
            skip = not skip and argument in ("-d", "--database", "--config", "--max-bytes", "--explain")
            continue
        if argument in COMMANDS:
            return argument, argv[:index] + argv[index + 1 :]
        break
    return "", argv


def parsers() -> dict[str, argparse.ArgumentParser]:
    """A parser for the app ("") and for each command."""
    app = _parser("", _ABOUT, _EPILOG)
    app.add_argument("url", nargs="?", metavar="URL", help="the database")
    app.add_argument("--version", action="store_true", help="print the version")
    app.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    app.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    app.add_argument("--no-bell", action="store_true", help="do not ring when orphans appear; B turns it on and off")
    app.add_argument("--allow-writes", action="store_true", help="permit writing: W arms it, each fix is confirmed")
    app.add_argument("--explain", metavar="FILE", help="begin with the foreign-key errors of a text or log, explained")
    _add_max_bytes(app)

    check = _parser("check", "Count orphans on every foreign key. Exit code 1 if there are any.")
    check.add_argument("url", nargs="?", metavar="URL", help="the database")
    forms = ["text", "json", "markdown", "junit"]
    check.add_argument("--format", choices=forms, default="text", help="what to print (text)")
    _add_baseline(check)
    check.add_argument(
        "--table",
        action=Each,
        default=[],
        metavar="NAME",
        help="only foreign keys of and to this table; repeatable",
    )
    check.add_argument(
        "--schema", action=Each, default=[], metavar="NAME", help="only those of and to its tables; repeatable"
    )
    _add_max_bytes(check)
    check.add_argument("--fail-on-skipped", action="store_true", help="exit code 2 if a foreign key was skipped")
    check.add_argument(
        "--inferred", action="store_true", help="guess relationships that nobody declared, and count those too"
    )
    check.add_argument("--full", action="store_true", help="count rows, NULLs and childless parents too")
    check.add_argument("--deep", action="store_true", help="trust no index: find what a corrupt one hides")
    check.add_argument("--eager", action="store_true", help="long counts never rest, however busy the server is")
    check.add_argument(
        "--watch", action="store_true", help="go on counting, and print a line for each change, until Ctrl-C"
    )
    check.add_argument("--jobs", type=int, choices=[1, 2], default=2, help="counts that run at once (2)")

    show = _parser("show", "Print one table with its parents and children, one line per foreign key, with orphans.")
    show.add_argument("table", metavar="TABLE", help="schema.table, or table where that is unambiguous")
    show.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    show.add_argument("--width", type=_width, metavar="CELLS", help="cells of a line (the terminal's, else 80)")

    rows = _parser("rows", "Print the rows that break a foreign key.")
    rows.add_argument(
        "edge", metavar="EDGE", help="schema.table.constraint, constraint, table(column, ...), or a pair of such"
    )
    kinds = rows.add_mutually_exclusive_group()
    kinds.add_argument("--keys", action="store_true", help="the missing keys and how many rows name each")
    kinds.add_argument("--childless", action="store_true", help="parents that no row refers to, newest first")
    kinds.add_argument("--by-partition", action="store_true", help="in which partitions of the child they lie")
    rows.add_argument("--limit", type=_positive, default=200, metavar="N", help="at most so many (200)")
    rows.add_argument("--format", choices=["text", "csv", "json"], default="text", help="what to print (text)")
    rows.add_argument("--reveal", action="store_true", help="show the values of columns named like secrets")
    rows.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    return {"": app, "check": check, "show": show, "rows": rows, **_causes(), **_fixes()}


def _add_baseline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--baseline", metavar="FILE", help="what is in this file is known: only what is new fails")
    parser.add_argument("--write-baseline", metavar="FILE", help="write what there is now to this file, as known")


def _causes() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands about causes."""
    explain = _parser("explain", _EXPLAIN, _EXPLAIN_EPILOG)
    explain.add_argument("file", nargs="?", default="-", metavar="FILE", help="the text; - or nothing for stdin")
    explain.add_argument("--format", choices=["text", "json", "markdown"], default="text", help="what to print (text)")
    report = _parser("report", _REPORT)
    report.add_argument("file", nargs="?", default="-", metavar="FILE", help="the text; - or nothing for stdin")
    for each in (explain, report):
        each.add_argument("--edge", metavar="EDGE", help="which foreign key is meant, where the text may mean several")
        _add_max_bytes(each, "do not read a table without an index for it that is larger, as 500M or 2G (1G)")
    explain.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    trace = _parser("trace", _TRACE)
    trace.add_argument("columns", metavar="TABLE.COLUMN", help="for a key of several columns: table(a, b)")
    trace.add_argument("value", metavar="VALUE", help="of several columns a line of CSV")
    trace.add_argument("--format", choices=["text", "json"], default="text", help="what to print (text)")
    trace.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    _add_max_bytes(trace, "do not search a table without an index for it that is larger, as 500M or 2G (1G)")
    impact = _parser("impact", _IMPACT)
    impact.add_argument("table", metavar="TABLE", help="schema.table, or table where that is unambiguous")
    impact.add_argument("keys", metavar="KEY", nargs="+", help="of one row each; of several columns a line of CSV")
    impact.add_argument("--format", choices=["text", "json"], default="text", help="what to print (text)")
    impact.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    _add_max_bytes(impact, "do not read a table without an index for it that is larger, as 500M or 2G (1G)")
    doctor = _parser("doctor", _DOCTOR, _DOCTOR_EPILOG)
    doctor.add_argument("edge", nargs="?", metavar="EDGE", help="only this foreign key, or pair of columns")
    forms = ["text", "json", "markdown", "junit"]
    doctor.add_argument("--format", choices=forms, default="text", help="what to print (text)")
    _add_baseline(doctor)
    doctor.add_argument(
        "--fail-on",
        choices=["error", "warning", "notice"],
        default="error",
        help="exit code 1 for findings as bad as this (error: it can't be made)",
    )
    doctor.add_argument("--plan", action="store_true", help="print one psql script that mends all that a fix can mend")
    ways = ["quarantine", "delete", "set-null"]
    doctor.add_argument("--clean", choices=ways, help="of --plan: what is done to rows in the way (quarantine)")
    doctor.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    _add_max_bytes(doctor, "do not count or read tables that are larger, as 500M or 2G (1G)")
    return {"explain": explain, "report": report, "trace": trace, "impact": impact, "doctor": doctor}


def _fixes() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands about fixes."""
    plan = _parser("plan", _PLAN, _PLAN_EPILOG)
    plan.add_argument(
        "edge", metavar="EDGE", help="schema.table.constraint, or a pair: table(column, ...):table(column, ...)"
    )
    plan.add_argument("action", metavar="ACTION", type=_action, help=", ".join(FixAction))
    target = plan.add_mutually_exclusive_group()
    target.add_argument("--to", metavar="KEY", help="repoint: the key of the parent that all orphans get")
    target.add_argument("--map", metavar="FILE", help="repoint: a CSV file of old key, new key")
    plan.add_argument("--key", metavar="KEY", help="insert-parents, backfill: this key alone")
    plan.add_argument("--from", dest="source", metavar="TABLE", help="backfill: where the parents are taken from")
    plan.add_argument(
        "--scope",
        choices=["orphans", "key", "gap", "uncastable"],
        help="backfill: which rows of it (orphans); delete, set-null, quarantine: uncastable, where the types can't be"
        " compared, is of those alone that the parent's type does not read",
    )
    plan.add_argument("--side", choices=["child", "parent"], help="change-type: whose column changes (child)")
    plan.add_argument(
        "--set",
        dest="sets",
        action=Each,
        default=[],
        metavar="COLUMN=SQL",
        help="insert-parents, backfill, sync-trigger: a column's value as an SQL expression (over the source's row as"
        " s); repeatable",
    )
    plan.add_argument("--rule", choices=RULES, help="add-constraint, change-on-delete: ON DELETE")
    plan.add_argument("--name", metavar="NAME", help="of what it makes: a constraint, index, key, side table, trigger")
    plan.add_argument(
        "--strict-lock", action="store_true", help="keep others from writing the parent meanwhile: no race at all"
    )
    plan.add_argument(
        "--strict-trigger",
        action="store_true",
        help="sync-trigger: refuse a new row whose twin can't be made, in place of a warning in the server's log",
    )
    plan.add_argument("--repeatable", action="store_true", help="for cron: whatever rows there are, up to --max-rows")
    plan.add_argument(
        "--max-rows", type=_positive, metavar="N", help="more rows than this end the script (--repeatable)"
    )

    journal = _parser("journal", "Print the fixes that were done from this machine, the newest first.")
    journal.add_argument("--format", choices=["text", "json"], default="text", help="what to print (text)")

    undo = _parser("undo", _UNDO)
    undo.add_argument("entry", metavar="ENTRY", help="as `fkexplorer journal` lists it")
    undo.add_argument(
        "--allow-writes", action="store_true", help="permit writing, which has to be armed and confirmed all the same"
    )
    undo.add_argument("--ticket", default="", metavar="TEXT", help="a ticket, for the journal")
    undo.add_argument("--approver", default="", metavar="NAME", help="who approved of it, for the journal")
    return {"plan": plan, "journal": journal, "undo": undo}


def _parser(command: str, about: str, epilog: str | None = None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"fkexplorer {command}".strip(),
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-d", "--database", metavar="URL", help="the database")
    parser.add_argument("--config", metavar="FILE", help="a configuration in place of ./.fkexplorer.toml")
    parser.add_argument("--demo", action="store_true", help="on an embedded PostgreSQL with broken schemas in it")
    return parser


def _add_max_bytes(
    parser: argparse.ArgumentParser,
    words: str = "do not count a foreign key whose tables are larger, as 500M or 2G (1G)",
) -> None:
    parser.add_argument(
        "--max-bytes",
        type=_bytes,
        default=1 << 30,
        metavar="SIZE",
        help=words,
    )


def _bytes(text: str) -> int:
    try:
        return size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write 500M or 2G") from None


def _action(text: str) -> FixAction:
    try:
        return FixAction(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no action; {nearest(text, FixAction)}") from None


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")


def _width(text: str) -> int:
    if text.isdecimal() and 20 <= int(text) <= 1000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 20 to 1000")
