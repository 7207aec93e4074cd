"""The command line: calls, prints, exits.

Everything heavy is imported inside the functions that need it: `--help` and `--version` answer in some 50 ms.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fkexplorer.arguments import COMMANDS, command_of, parsers
from fkexplorer.bodies import body_of
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from types import FrameType

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.database.source import Source

COULD_NOT, FAULT, INTERRUPTED = 2, 3, 130
PASSWORD_TRIES = 3
CONNECT_SECONDS = 10.0
PATIENCE = 1.0
"""Seconds in which a second signal is taken for the same wish; later it breaks off what still closes."""
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Ended(SystemExit):
    """A signal asked the process to end; what was begun is closed on the way out.

    A SystemExit, since asyncio lets that out of its loop; any other exception would stay with a task.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


@dataclass(frozen=True, slots=True)
class _Known:
    """What this run knows that must appear in no message: where it connected, and the passwords that were typed."""

    sources: list[Source]
    typed: list[str]

    def secrets(self) -> list[str]:
        """Every password as it is and as a URL writes it; where a conninfo cannot be read, all of it."""
        from urllib.parse import quote  # noqa: PLC0415

        found = [*self.typed, os.environ.get("PGPASSWORD", ""), os.environ.get("PGSSLPASSWORD", "")]
        for source in self.sources:
            found += _passwords(source.conninfo)
        return [word for each in found if each for word in (each, quote(each, safe=""), quote(each))]


def _passwords(conninfo: str) -> list[str]:
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        parts = conninfo_to_dict(conninfo)
    except ProgrammingError:
        return [conninfo]
    return [str(parts[name]) for name in ("password", "sslpassword") if parts.get(name)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code of the process."""
    from fkexplorer.console import Console  # noqa: PLC0415

    argv = list(sys.argv[1:] if arguments is None else arguments)
    console = Console(os.environ)
    known = _Known([], [])
    try:
        for number in SIGNALS:
            signal.signal(number, _ENDING)
        return _run(argv, console, known)
    except Trouble as trouble:
        console.trouble(trouble)
        return COULD_NOT
    except KeyboardInterrupt:
        console.finish()
        return INTERRUPTED
    except Ended as ended:
        console.finish()
        return 128 + ended.number
    except Exception as error:  # noqa: BLE001 - the last place that can tell anybody
        return _fault(error, console, known.secrets())


class _Ending:
    """The way out by a signal: from the event loop where one runs, so that nobody's `except` can swallow it."""

    def __init__(self) -> None:
        self._since: float | None = None
        self.number = 0
        """The signal that came; 0 before."""

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since is not None and now - self._since < PATIENCE:
            return  # a terminal that is closed may send SIGHUP twice; the way out is not broken off
        self._since, self.number = now, number
        # It sends SIGCONT too, and Textual's handler of that wants the event loop, which has just ended then. Not
        # SIG_IGN: Python complains on stderr when a signal that it has noted finds no function any more.
        signal.signal(signal.SIGCONT, lambda *_: None)
        # asyncio may not be imported yet, or only half.
        loop = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", lambda: None)()
        if loop is None:
            raise Ended(number)
        loop.call_soon_threadsafe(_leave, number)


def _leave(number: int) -> NoReturn:
    raise Ended(number)


_ENDING = _Ending()


def _fault(error: Exception, console: Console, secrets: list[str]) -> int:
    from fkexplorer.crash import masked, summary, write_crash  # noqa: PLC0415

    # A signal amid an import can come out as another exception: Python 3.11 wraps what __set_name__ raises.
    if _ENDING.number:
        return 128 + _ENDING.number
    if isinstance(error.__cause__, KeyboardInterrupt):
        return INTERRUPTED

    words = masked(summary(error), secrets)
    try:
        console.say(f"a fault of fkexplorer: {words}; details for a report are in {write_crash(error, secrets)}")
    except OSError as problem:
        console.say(f"a fault of fkexplorer: {words}; no file could be written about it ({problem.strerror})")
    return FAULT


def _run(argv: list[str], console: Console, known: _Known) -> int:
    command, rest = command_of(argv)
    parser = parsers()[command]
    options = parser.parse_args(rest)
    if command == "" and options.version:
        from fkexplorer.version import version  # noqa: PLC0415

        console.data(f"fkexplorer {version()}\n")
        return 0
    settings, options = _configured(parser, rest, options.config)
    console.ascii = console.ascii or getattr(options, "ascii", False)
    url = getattr(options, "url", None)
    if url is not None and url.isidentifier():
        raise Trouble(
            f"{url} is neither a command nor a database URL",
            f"commands are {', '.join(COMMANDS)}; a database of that name is dbname={url}",
            code="usage",
        )
    _hide_password(argv, options)
    if command == "":
        from fkexplorer.console import needs_screen  # noqa: PLC0415

        needs_screen(os.environ)
        return _app(options, settings, known)
    if command == "undo":
        from fkexplorer.fixing import needs_person  # noqa: PLC0415

        needs_person()
    if command == "journal":
        return _journal(options, settings, console, known)
    if command == "explain" and not _names_database(options):
        from fkexplorer import explaining  # noqa: PLC0415

        return explaining.parse_only(console, explaining.ExplainOptions.of(options))
    with _source(options) as source:
        known.sources.append(source)
        console.say(f"database {source.label()} ({source.origin})")
        return _with_password(source, body_of(command, options, settings, console), console, known)


def _configured(
    parser: argparse.ArgumentParser, rest: list[str], config: str | None
) -> tuple[Settings, argparse.Namespace]:
    """What is configured, and the options over it."""
    from fkexplorer.config.settings import load_settings  # noqa: PLC0415
    from fkexplorer.defaults import check_names, parse  # noqa: PLC0415

    check_names(parsers().values(), os.environ)
    settings = load_settings(config or os.environ.get("FKEXPLORER_CONFIG"), os.environ, Path())
    return settings, parse(parser, rest, settings, os.environ)


def _journal(options: argparse.Namespace, settings: Settings, console: Console, known: _Known) -> int:
    """Print the journal; a database that is named is asked first what came of commits that nobody heard of."""
    from fkexplorer import fixing  # noqa: PLC0415

    named = options.database or options.demo or os.environ.get("DATABASE_URL")
    if named and fixing.open_journal().pending():
        try:
            with _source(options) as source:
                known.sources.append(source)
                _with_password(source, body_of("journal", options, settings, console), console, known)
        except Trouble as trouble:
            console.trouble(trouble)
    return fixing.print_journal(console, options.format)


def _wants_demo(options: argparse.Namespace) -> bool:
    return bool(options.demo) and getattr(options, "url", None) is None and options.database is None


def _names_database(options: argparse.Namespace) -> bool:
    """Whether a database is named: by an option, or by the environment."""
    named = ("DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGUSER", "PGPORT")
    return bool(options.demo or options.database) or any(os.environ.get(name) for name in named)


@contextmanager
def _source(options: argparse.Namespace) -> Iterator[Source]:
    """The database that was named; the demo's server runs as long as the block."""
    from fkexplorer.database.source import Source, find_source  # noqa: PLC0415

    if not _wants_demo(options):
        yield find_source(getattr(options, "url", None), options.database, os.environ)
        return
    from fkexplorer.demo.database import demo  # noqa: PLC0415

    # libpq would take what the demo's conninfo leaves open from here: a service, options, a client certificate.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    with demo() as conninfo:
        yield Source(conninfo, "--demo")


def _hide_password(argv: list[str], options: argparse.Namespace) -> None:
    """Replace the command line that other users see (`ps`) if there is a password in it.

    From the start of the process until here, some 50 ms, it can be seen; after that it cannot.
    """
    from fkexplorer.database.source import Source  # noqa: PLC0415

    words = list(argv)
    for given in (getattr(options, "url", None), options.database):
        if given and (masked := Source(given, "").masked()) != given:
            words = [word.replace(given, masked) for word in words]
    if words != argv:
        import setproctitle  # noqa: PLC0415

        setproctitle.setproctitle(" ".join(["fkexplorer", *words]))


def _app(options: argparse.Namespace, settings: Settings, known: _Known) -> int:
    """Run the app; the demo's server starts while it is already on screen (a second of the two that it takes)."""
    from fkexplorer.console import speaks_unicode  # noqa: PLC0415
    from fkexplorer.database.source import Source  # noqa: PLC0415
    from fkexplorer.tui.arming import Arming  # noqa: PLC0415
    from fkexplorer.tui.run import run_app  # noqa: PLC0415

    text = Path(options.explain) if options.explain is not None else None
    if text is not None and (text.is_dir() or not os.access(text, os.R_OK)):
        raise Trouble(f"{text} cannot be read", "name a file, or paste the text into the app", code="no_file")
    with ExitStack() as server:
        if _wants_demo(options):
            # Its label is known before it is there.
            source = Source("user=demo dbname=demo", "--demo")
        else:
            source = server.enter_context(_source(options))
            known.sources.append(source)
        if _ENDING.number:
            raise Ended(_ENDING.number)  # what a signal raised before may have been swallowed in the midst of an import
        return run_app(
            source,
            ascii=options.ascii or not speaks_unicode(sys.stderr, os.environ),
            mouse=not options.no_mouse,
            bell=not options.no_bell,
            max_bytes=options.max_bytes,
            prepare=(lambda: server.enter_context(_source(options))) if _wants_demo(options) else None,
            typed=known.typed,
            arming=Arming(settings, allow_writes=options.allow_writes),
            explain=text,
        )


def _with_password(source: Source, body: Callable[[Database], Awaitable[int]], console: Console, known: _Known) -> int:
    """Run the command; where the server wants a password and a terminal is there, ask for it and run it again."""
    password: str | None = None
    for attempt in range(PASSWORD_TRIES + 1):
        try:
            return _run_loop(source, password, body)
        except Trouble as trouble:
            wrong = password is not None and trouble.code == "wrong_password"
            if attempt == PASSWORD_TRIES or not (trouble.needs_password or wrong) or not _terminal():
                raise
            if wrong:
                console.say(trouble.reason)
        import getpass  # noqa: PLC0415

        try:
            password = getpass.getpass(f"Password for {source.label()}: ")
        except EOFError:
            raise KeyboardInterrupt from None
        known.typed.append(password)
    raise AssertionError  # the last attempt returns or raises


def _terminal() -> bool:
    """Whether a person can be asked: getpass reads from the controlling terminal itself."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return sys.stderr is not None and sys.stderr.isatty()


def _run_loop(source: Source, password: str | None, body: Callable[[Database], Awaitable[int]]) -> int:
    """One event loop from connecting to closing; a signal cancels what runs on the server, then raises.

    Raises:
        Trouble: it could not connect, or the command could not be done.
        Ended: SIGTERM or SIGHUP.
        KeyboardInterrupt: Ctrl-C.
    """
    import asyncio  # noqa: PLC0415

    from fkexplorer.database.connection import Database  # noqa: PLC0415
    from fkexplorer.database.errors import Kind, translate, trouble_of  # noqa: PLC0415

    received: list[int] = []

    async def session() -> int:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def end(number: int) -> None:
            received.append(number)
            if task is not None:
                task.cancel()

        for number in SIGNALS:
            loop.add_signal_handler(number, end, number)
        database = await Database.connect(source, password=password, timeout=CONNECT_SECONDS)
        try:
            return await body(database)
        finally:
            await database.close()

    try:
        return asyncio.run(session())
    except asyncio.CancelledError:
        if received:
            raise Ended(received[0]) from None
        raise
    except Exception as error:
        failure = translate(error)
        if failure.kind is Kind.FAILED and (failure.sqlstate or "").startswith("42"):
            raise  # a statement of ours that the server does not understand is a fault
        raise trouble_of(error) from error
    finally:
        for number in SIGNALS:
            signal.signal(number, _ENDING)
