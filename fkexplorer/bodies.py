"""What each command does once it has a database: only the one that was asked for is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database


def body_of(
    command: str, options: argparse.Namespace, settings: Settings, console: Console
) -> Callable[[Database], Awaitable[int]]:
    """What a command does with a connected database: a coroutine that gives its exit code.

    Args:
        command: its name, one that works on a database.
        options: what the command line said.
        settings: what is configured.
        console: where it prints.
    """
    if command in ("check", "show", "rows"):
        return _reading(command, options, settings, console)
    if command in ("explain", "report", "trace", "impact"):
        return _causes(command, options, settings, console)
    if command == "doctor":
        from fkexplorer import examining  # noqa: PLC0415

        examined = examining.DoctorOptions.of(options)
        return lambda database: examining.doctor(database, console, settings, examined)
    if command == "plan":
        from fkexplorer import planning  # noqa: PLC0415

        wish = planning.PlanOptions.of(options)
        return lambda database: planning.plan(database, console, settings, wish)
    from fkexplorer import fixing  # noqa: PLC0415

    if command == "journal":
        return fixing.resolve_journal
    request = fixing.UndoRequest(options.entry, options.ticket, options.approver, allow_writes=options.allow_writes)
    return lambda database: fixing.take_back(database, console, settings, request)


def _causes(
    command: str, options: argparse.Namespace, settings: Settings, console: Console
) -> Callable[[Database], Awaitable[int]]:
    """The same for the commands about causes."""
    if command == "trace":
        from fkexplorer import tracing  # noqa: PLC0415

        sought = tracing.TraceOptions(options.columns, options.value, options.format, options.max_bytes)
        return lambda database: tracing.trace(database, console, settings, sought)
    if command == "impact":
        from fkexplorer import impacting  # noqa: PLC0415

        doomed = impacting.ImpactOptions(options.table, tuple(options.keys), options.format, options.max_bytes)
        return lambda database: impacting.impact(database, console, settings, doomed)
    from fkexplorer import explaining  # noqa: PLC0415

    read, told = (
        explaining.ExplainOptions.of(options),
        explaining.explain if command == "explain" else explaining.report,
    )
    return lambda database: told(database, console, settings, read)


def _reading(
    command: str, options: argparse.Namespace, settings: Settings, console: Console
) -> Callable[[Database], Awaitable[int]]:
    """The same for `check`, `show` and `rows`."""
    from fkexplorer import headless  # noqa: PLC0415

    if command == "check":
        wanted = headless.CheckOptions(
            format=options.format,
            tables=tuple(options.table),
            schemas=tuple(options.schema),
            max_bytes=options.max_bytes,
            fail_on_skipped=options.fail_on_skipped,
            full=options.full,
            deep=options.deep,
            eager=options.eager,
            jobs=options.jobs,
            inferred=options.inferred,
            baseline=options.baseline,
            write_baseline=options.write_baseline,
        )
        from fkexplorer.watch import watch  # noqa: PLC0415

        checked = watch if options.watch else headless.check
        return lambda database: checked(database, console, settings, wanted)
    if command == "show":
        return lambda database: headless.show(
            database, console, settings, options.table, options.width or console.width
        )
    kinds = {"keys": options.keys, "childless": options.childless, "partitions": options.by_partition}
    kind = next((name for name, wanted in kinds.items() if wanted), "orphans")
    asked = headless.RowsOptions(options.edge, kind, options.limit, options.format, options.reveal)
    return lambda database: headless.rows(database, console, settings, asked)
