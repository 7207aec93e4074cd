"""The configuration: two files, one over the other, mistakes told by file and line, and who may be written to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fkexplorer.arguments import parsers
from fkexplorer.config.settings import Environment, Settings, load_settings
from fkexplorer.database.model import ServerFacts, Trouble
from fkexplorer.database.source import find_source
from fkexplorer.defaults import check_names, parse, variable
from tests.commands import assert_told, environment, run

if TYPE_CHECKING:
    from pathlib import Path


def facts(host: str = "db1.example.com", *, port: int = 5432, standby: bool = False) -> ServerFacts:
    return ServerFacts(
        database="app",
        user="me",
        host=host,
        port=port,
        version_number=180006,
        version="PostgreSQL 18.6",
        superuser=False,
        bypasses_row_security=False,
        standby=standby,
        pooled=False,
        replication_role="origin",
        connected_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def load(folder: Path, project: str = "", user: str = "", given: str | None = None) -> Settings:
    home = folder / "home" / "fkexplorer"
    home.mkdir(parents=True, exist_ok=True)
    if project:
        (folder / ".fkexplorer.toml").write_text(project)
    if user:
        (home / "config.toml").write_text(user)
    return load_settings(given, {"XDG_CONFIG_HOME": str(folder / "home")}, folder)


def told(folder: Path, project: str) -> Trouble:
    with pytest.raises(Trouble) as caught:
        load(folder, project)
    assert caught.value.reason
    assert caught.value.hint
    return caught.value


def test_nothing_configured(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()


def test_the_project_goes_over_the_user(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[limits]\nmax_bytes = "2G"\n\n[environments.staging]\nhosts = ["stage*"]\nallow_writes = true\n',
        '[environments.all]\nhosts = ["*"]\n[limits]\nmax_bytes = 5\n',
    )
    assert settings.limits == {"max_bytes": 2 << 30}
    assert settings.environments == (
        Environment("staging", ("stage*",), ".fkexplorer.toml:4", allow_writes=True),
        Environment("all", ("*",), f"{tmp_path}/home/fkexplorer/config.toml:1"),
    )


def test_the_header_names_the_first_environment_with_a_colour(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[environments.a]\nhosts = ["db*"]\n[environments.b]\nhosts = ["*1*"]\ncolour = "red"\n',
        '[environments.c]\nhosts = ["*"]\ncolour = "blue"\n',
    )
    named = {host: found.name for host in ("db1", "db2", "x") if (found := settings.environment_of(facts(host)))}
    assert named == {"db1": "b", "db2": "c", "x": "c"}
    [first, *_] = settings.environments
    assert Settings((first,)).environment_of(facts("db2")) == first
    assert Settings((first,)).environment_of(facts("x")) is None


def test_the_bell_is_an_option_a_variable_and_a_line(tmp_path: Path) -> None:
    def off(words: list[str], settings: Settings, **environ: str) -> bool:
        found: bool = parse(parsers()[""], words, settings, environ).no_bell
        return found

    silent, loud = "[app]\nbell = false\n", "[app]\nbell = true\n"
    assert not off([], Settings())
    assert off(["--no-bell"], Settings())
    assert off([], Settings(), FKEXPLORER_NO_BELL="1")
    assert off([], load(tmp_path, silent))
    assert not off([], load(tmp_path, silent), FKEXPLORER_NO_BELL="0")
    assert off([], load(tmp_path, silent, loud))
    assert not off([], load(tmp_path, loud, silent)), "the project's goes over the user's"


def test_a_given_file_stands_in_for_the_project(tmp_path: Path) -> None:
    given = tmp_path / "other.toml"
    given.write_text("[limits]\nmax_bytes = 7\n")
    user = '[environments.home]\nhosts = ["h"]\nread_only = true\n'
    settings = load(tmp_path, "[limits]\nmax_bytes = 8\n", user, str(given))
    assert settings.limits == {"max_bytes": 7}
    assert [each.name for each in settings.environments] == ["home"]
    with pytest.raises(Trouble, match=r"absent\.toml cannot be read"):
        load(tmp_path, given=str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[enviroments.a]\n", 1, ["enviroments is not known", "did you mean environments?"]),
        ("theme = 1\n", 1, ["theme is not known", "there are environments, limits"]),
        ('\n# a\n[environments.a]\nhosts = ["x"]\nreadonly = true\n', 5, ["readonly", "did you mean read_only?"]),
        ('[environments.a]\nhosts = ["x"]\nicon = "x"\n', 3, ["icon is not known", "hosts, read_only"]),
        ('[environments.a]\nhosts = ["x"]\ncolor = "red"\n', 3, ["color is not known", "did you mean colour?"]),
        ('[environments.a]\nhosts = ["x"]\ncolour = "grene"\n', 3, ["'grene' is no colour", "did you mean green?"]),
        ('[environments.a]\ncolour = 3\nhosts = ["x"]\n', 2, ["3 is no colour", "there are red, green, yellow"]),
        ('[environments.a]\nhosts = ["x"]\ncolour = ""\n', 3, ["'' is no colour"]),
        ('[environments.a]\nhosts = ["x"]\ncolour = ["red"]\n', 3, ["['red'] is no colour"]),
        ("app = 1\n", 1, ["app is not a table: [app]"]),
        ("[app]\nbel = true\n", 2, ["bel is not known", "did you mean bell?"]),
        ("[app]\n\nbell = 0\n", 3, ["bell is not true or false"]),
        ('[environments.a]\nhosts = ["x"]\nread_only = "yes"\n', 3, ["read_only is not true or false"]),
        ("\n[environments.a]\nread_only = true\n", 2, ["hosts of a"]),
        ("[environments.a]\nread_only = true\nhosts = [\n  'x',\n  3,\n]\n", 3, ["hosts of a"]),
        ("[environments.a]\nhosts = 'x'\n", 2, ["hosts of a", "write hosts = ["]),
        ("[environments.a]\nhosts=['x']\nread_only=true\nallow_writes=true\n", 4, ["read_only and allow_writes"]),
        ("environments = 3\n", 1, ["environments is not tables"]),
        ("[environments]\na = 3\n", 2, ["a is not a table"]),
        ('[limits]\r\nmax_bytes = "7x"\r\n', 2, ["max_bytes: '7x' is no size", "500M"]),
        ("[limits]\nmax_bytes = true\n", 2, ["max_bytes: True is no size"]),
        ("[limits]\nmax_byte = 1\n", 2, ["max_byte is not known", "did you mean max_bytes?"]),
        ("[limits]\n\nmax_bytes = \n", 3, ["is not TOML"]),
        ("[limits]\nmax_bytes = 1\nmax_bytes = 2\n", 3, ["is not TOML"]),
        ("a = '''\n\n", 3, ["is not TOML"]),
    ],
)
def test_a_mistake_is_told_by_file_and_line(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    trouble = told(tmp_path, text)
    assert trouble.code == "bad_config"
    assert trouble.reason.startswith(f".fkexplorer.toml:{line}"), trouble.reason
    for word in words:
        assert word in f"{trouble.reason} {trouble.hint}"


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / ".fkexplorer.toml").write_bytes(b"# a\n# \xff\n")
    assert told(tmp_path, "").reason == ".fkexplorer.toml:2 is not UTF-8"
    (tmp_path / ".fkexplorer.toml").unlink()
    (tmp_path / ".fkexplorer.toml").mkdir()
    assert told(tmp_path, "").code == "no_config"


@pytest.mark.parametrize(
    ("host", "port", "place"),
    [
        ("db1", 5432, "me@db1/app"),
        ("db1", 6543, "me@db1:6543/app"),
        ("::1", 6543, "me@[::1]:6543/app"),
        ("/run/postgresql", 5432, "me@[local]/app"),
    ],
)
def test_the_text_that_arms_is_the_label_of_the_server(host: str, port: int, place: str) -> None:
    assert facts(host, port=port).place == place
    assert find_source(f"host={host} port={port} user=me dbname=app", None, {}).label() == place


STAGING = Environment("staging", ("db*.example.com",), "f:1", allow_writes=True)
FOREVER = Environment("forever", ("*.example.com",), "f:9", read_only=True)


@pytest.mark.parametrize(
    ("environments", "server", "allow_writes", "code"),
    [
        ([], facts(), False, "not_permitted"),
        ([], facts(), True, None),
        ([STAGING], facts(), False, None),
        ([STAGING], facts("DB7.Example.com"), False, None),
        ([STAGING], facts("other.example.com"), False, "not_permitted"),
        ([STAGING, FOREVER], facts(), True, "read_only_environment"),
        ([FOREVER], facts("elsewhere"), True, None),
        ([STAGING], facts(standby=True), True, "standby"),
        ([], facts("db.PROD.example.com"), True, "production"),
        ([Environment("all", ("*",), "f:1", allow_writes=True)], facts("prod-db"), True, "production"),
        ([STAGING], facts("db-prod.example.com"), True, "production"),
        ([Environment("p", ("*prod*",), "f:1")], facts("prod-db"), True, None),
        ([Environment("p", ("*prod*",), "f:1")], facts("prod-db"), False, "not_permitted"),
        ([Environment("p", ("prod-db",), "f:1", allow_writes=True)], facts("prod-db"), False, None),
        (
            [Environment("t", ("localhost:6543",), "f:1", read_only=True)],
            facts("localhost", port=6543),
            True,
            "read_only",
        ),
        ([Environment("t", ("localhost:6543",), "f:1", read_only=True)], facts("localhost"), True, None),
    ],
)
def test_who_may_be_written_to(
    environments: list[Environment], server: ServerFacts, *, allow_writes: bool, code: str | None
) -> None:
    refusal = Settings(tuple(environments)).refusal(server, allow_writes=allow_writes)
    if code is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code.startswith(code)
        assert refusal.hint


def test_variables_stand_for_options() -> None:
    environ = {
        "FKEXPLORER_MAX_BYTES": "2M",
        "FKEXPLORER_FORMAT": "json",
        "FKEXPLORER_FULL": "yes",
        "FKEXPLORER_FAIL_ON_SKIPPED": "0",
        "FKEXPLORER_JOBS": "1",
        "FKEXPLORER_TABLE": "a",
        "FKEXPLORER_SCHEMA": "s",
    }
    settings = Settings(limits={"max_bytes": 5})
    options = parse(parsers()["check"], ["--format", "text", "--table", "b", "--table", "c"], settings, environ)
    assert (options.max_bytes, options.format, options.full, options.jobs) == (2 << 20, "text", True, 1)
    assert (options.table, options.schema, options.fail_on_skipped) == (["b", "c"], ["s"], False)
    assert parse(parsers()["check"], [], settings, {"FKEXPLORER_MAX_BYTES": ""}).max_bytes == 5
    assert parse(parsers()["check"], ["--max-bytes", "1K"], settings, environ).max_bytes == 1024
    assert parsers()["check"].parse_args([]).table == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FKEXPLORER_FORMAT", "yaml", "it may be text, json"),
        ("FKEXPLORER_FULL", "maybe", "write 1 or 0"),
        ("FKEXPLORER_MAX_BYTES", "7x", "'7x' is no size"),
        ("FKEXPLORER_JOBS", "two", "FKEXPLORER_JOBS"),
        ("FKEXPLORER_JOBS", "3", "it may be 1, 2"),
    ],
)
def test_a_variable_with_a_bad_value(name: str, value: str, words: str) -> None:
    with pytest.raises(Trouble) as caught:
        parse(parsers()["check"], [], Settings(), {name: value})
    assert f"${name}" in caught.value.reason
    assert words in f"{caught.value.reason} {caught.value.hint}"


def test_misspelt_variables_are_not_passed_over() -> None:
    every = parsers().values()
    with pytest.raises(Trouble, match="FKEXPLORER_MAX_BYTE is no option"):
        check_names(every, {"FKEXPLORER_MAX_BYTE": "1"})
    with pytest.raises(Trouble) as caught:
        check_names(every, {"FKEXPLORER_DATABASE": "x"})
    assert "$DATABASE_URL" in caught.value.hint
    check_names(every, {"FKEXPLORER_TEST_SERVERS": "18", "FKEXPLORER_FULL": "1", "OTHER": "1"})


def test_every_option_has_a_variable_of_its_own_in_a_command() -> None:
    for parser in parsers().values():
        names = [variable(action) for action in parser._actions if action.option_strings]
        assert len(names) == len(set(names))


async def test_the_program_obeys(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[limits]\n\nmax_bytes = 'x'\n")
    assert_told(await run("check", "--config", str(bad), "postgresql://h/d"), f"{bad}:3", "'x' is no size")
    assert_told(await run("check", env=environment(FKEXPLORER_CONFIG=str(bad))), f"{bad}:3")
    assert_told(await run("check", env=environment(FKEXPLORER_FORMAT="yaml")), "FKEXPLORER_FORMAT", "text, json")
    assert (await run("--version", "--config", str(bad))).code == 0
