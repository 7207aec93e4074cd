"""What two files configure: hosts and whether they may be written to, limits, switches of the app, relationships.

`./.fkexplorer.toml` goes over `$XDG_CONFIG_HOME/fkexplorer/config.toml`.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkexplorer.config.lines import Lines, nearest, wrong
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fkexplorer.config.known import Ignored, NotedPair, SourceFiles
    from fkexplorer.database.model import ServerFacts

PROJECT_FILE = ".fkexplorer.toml"
_PRODUCTION = "prod"
COLOURS = ("red", "green", "yellow", "blue", "magenta", "cyan")
"""Those of an environment: what a terminal of 16 colours has, but for those of its text and its background."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Environment:
    """Servers that are treated alike, by patterns of their hosts."""

    name: str
    hosts: tuple[str, ...]
    """Patterns (`*`, `?`) of a host, or of `host:port`, whatever the case."""
    origin: str
    """The file and the line."""
    read_only: bool = False
    """Nothing can be written there, whatever the command line says."""
    allow_writes: bool = False
    """Writing can be armed there without `--allow-writes`."""
    colour: str = ""
    """One of `COLOURS`, for its name in the header of the app."""

    def patterns_of(self, host: str, port: int) -> list[str]:
        """Those of its patterns that the server fits."""
        names = (host.lower(), f"{host}:{port}".lower())
        return [pattern for pattern in self.hosts if any(fnmatchcase(name, pattern.lower()) for name in names)]


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is configured."""

    environments: tuple[Environment, ...] = ()
    """The project's before the user's."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Values by the name of the option that they stand for, as `max_bytes`."""
    app: Mapping[str, bool] = field(default_factory=dict)
    """Switches of the app, by the name of the option that they stand for, as `no_bell`."""
    relationships: tuple[NotedPair, ...] = ()
    """The project's before the user's, as of all that follow."""
    rejected: tuple[NotedPair, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    sources: tuple[SourceFiles, ...] = ()
    file: Path = field(default=Path(PROJECT_FILE), compare=False)
    """The project's, or the one in its place: what somebody decides is written there; it need not be there yet."""

    def environments_of(self, facts: ServerFacts) -> list[Environment]:
        """The environments that the server belongs to."""
        return [each for each in self.environments if each.patterns_of(facts.host, facts.port)]

    def environment_of(self, facts: ServerFacts) -> Environment | None:
        """The one that the app's header names: the first with a colour, else the first."""
        found = self.environments_of(facts)
        return next((each for each in found if each.colour), found[0] if found else None)

    def refusal(self, facts: ServerFacts, *, allow_writes: bool) -> Trouble | None:
        """Why writing can't be armed on this server; None where it can.

        Read-only in any environment of the server is read-only. A host that sounds like production needs an environment
        with a pattern that says so too, since `*` was not written with production in mind.

        Args:
            facts: the server.
            allow_writes: whether `--allow-writes` was given.
        """
        environments = self.environments_of(facts)
        if facts.standby:
            return Trouble("the server is a standby, which takes no writes", "connect to the primary", code="standby")
        for each in environments:
            if each.read_only:
                return Trouble(
                    f"the environment {each.name} is read-only ({each.origin})",
                    "nothing permits writing there but a change of that line",
                    code="read_only_environment",
                )
        if _PRODUCTION in facts.host.lower() and not any(
            _PRODUCTION in pattern.lower()
            for each in environments
            for pattern in each.patterns_of(facts.host, facts.port)
        ):
            return Trouble(
                f"the host {facts.host} sounds like production, and no environment names it",
                f'name it in {PROJECT_FILE}, with hosts = ["{facts.host}"] and allow_writes = true',
                code="production",
            )
        if not allow_writes and not any(each.allow_writes for each in environments):
            return Trouble(
                "writing is not permitted in this session",
                f"start with --allow-writes, or set allow_writes in an environment in {PROJECT_FILE}",
                code="not_permitted",
            )
        return None


def load_settings(given: str | None, environ: Mapping[str, str], folder: Path) -> Settings:
    """All that is configured.

    Args:
        given: a file in place of the project's, which must be there.
        environ: the environment variables.
        folder: where the project's file may be.

    Raises:
        Trouble: a file cannot be read (`no_config`), or something in it is wrong (`bad_config`).
    """
    found = [_read(Path(given), given) if given else _read_if_there(folder / PROJECT_FILE, PROJECT_FILE)]
    if home := _user_file(environ):
        found.append(_read_if_there(home, str(home)))
    project, *others = [each for each in found if each is not None] or [Settings()]
    for each in others:
        project = Settings(
            project.environments + each.environments,
            {**each.limits, **project.limits},
            {**each.app, **project.app},
            project.relationships + each.relationships,
            project.rejected + each.rejected,
            project.ignored + each.ignored,
            project.sources + each.sources,
        )
    return replace(project, file=Path(given) if given else folder / PROJECT_FILE)


def settings_again(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """What the same files say now.

    Raises:
        Trouble: as of `load_settings`.
    """
    file = settings.file
    ordinary = file.name == PROJECT_FILE
    return load_settings(None if ordinary else str(file), environ, file.parent)


def size(text: str) -> int:
    """Bytes, from `500M`, `2G`, `1.5 GiB`; K, M, G and T are powers of 1024.

    Raises:
        ValueError: it is no size; the text says what is.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", text.strip().upper())
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(found[1]) * _UNITS[found[2]])


def _user_file(environ: Mapping[str, str]) -> Path | None:
    given = environ.get("XDG_CONFIG_HOME", "")
    if given.startswith("/"):  # the specification says to ignore a relative one
        return Path(given) / "fkexplorer" / "config.toml"
    with contextlib.suppress(RuntimeError):
        return Path.home() / ".config" / "fkexplorer" / "config.toml"
    return None


def _read_if_there(path: Path, name: str) -> Settings | None:
    try:
        there = path.exists()
    except PermissionError:
        there = True
    return _read(path, name) if there else None


def _read(path: Path, name: str) -> Settings:
    import tomllib  # noqa: PLC0415 - 10 ms, for those who have a file

    text = ""
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        return _settings(Lines(name, text), tomllib.loads(text), path.parent)
    except OSError as error:
        raise Trouble(
            f"the configuration {name} cannot be read: {error.strerror}", "name another with --config", code="no_config"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise wrong(f"{name}:{line}", "is not UTF-8", "write the file in UTF-8, as TOML has to be") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        said = _AT_LINE.sub("", str(error))
        raise wrong(f"{name}:{line}", f"is not TOML: {said}", 'a line is [table], or key = "text", true, 1') from None


def _settings(lines: Lines, document: dict[str, Any], folder: Path) -> Settings:
    """What a file says."""
    from fkexplorer.config.known import SECTIONS, ignored_in, pairs_in, sources_in  # noqa: PLC0415 - as above

    tables: dict[str, Any] = {"environments": {}, "limits": {}, "app": {}}
    lines.known((), document, (*tables, *SECTIONS))
    tables |= {key: value for key, value in document.items() if key in tables}
    for key, value in tables.items():
        lines.check((key,), value, dict, f"tables: [{key}.NAME]" if key == "environments" else f"a table: [{key}]")
    lines.known(("limits",), tables["limits"], _LIMITS)
    limits = {}
    for key, value in tables["limits"].items():
        try:
            limits[key] = _LIMITS[key](value)
        except ValueError as error:
            raise lines.wrong(
                ("limits", key), f"{key}: {error}", 'a size is "500M", "2G", or a number of bytes'
            ) from None
    lines.known(("app",), tables["app"], ("bell",))
    for key, value in tables["app"].items():
        lines.check(("app", key), value, bool, "true or false")
    return Settings(
        environments=tuple(_environment(lines, name, table) for name, table in tables["environments"].items()),
        limits=limits,
        app={f"no_{key}": not value for key, value in tables["app"].items()},
        relationships=pairs_in(lines, document, "relationships"),
        rejected=pairs_in(lines, document, "rejected"),
        ignored=ignored_in(lines, document),
        sources=sources_in(lines, document, folder),
    )


def _environment(lines: Lines, name: str, table: Any) -> Environment:  # noqa: ANN401 - as TOML has it
    path = ("environments", name)
    lines.check(path, table, dict, f"a table: [environments.{name}]")
    lines.known(path, table, ("hosts", "read_only", "allow_writes", "colour"))
    hosts = table.get("hosts", [])
    if not isinstance(hosts, list) or not hosts or not all(isinstance(each, str) and each for each in hosts):
        at = (*path, "hosts") if "hosts" in table else path
        raise lines.wrong(at, f"hosts of {name} are no list of patterns", 'write hosts = ["db1.example.com", "*prod*"]')
    for key in ("read_only", "allow_writes"):
        lines.check((*path, key), table.get(key, False), bool, "true or false")
    if table.get("read_only") and table.get("allow_writes"):
        raise lines.wrong(
            (*path, "allow_writes"), f"{name} is read_only and allow_writes at once", "keep one of the two"
        )
    colour = table.get("colour", "")
    if "colour" in table and colour not in COLOURS:
        raise lines.wrong((*path, "colour"), f"{colour!r} is no colour", nearest(str(colour), COLOURS))
    return Environment(
        name=name,
        hosts=tuple(hosts),
        origin=lines.place(path),
        read_only=table.get("read_only", False),
        allow_writes=table.get("allow_writes", False),
        colour=colour,
    )


def _size(value: object) -> int:
    if isinstance(value, str):
        return size(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{value!r} is no size")


_LIMITS: dict[str, Callable[[object], int]] = {"max_bytes": _size}
