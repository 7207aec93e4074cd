"""The doctor in the app: what it lists and what of it leads to a fix, a foreign key, or to what was not looked at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.config.settings import load_settings
from fkexplorer.named import edge_or_pair
from fkexplorer.reports.doctor import sql_lines
from fkexplorer.reports.style import plain
from fkexplorer.schema.model import EdgeKind
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.doctor import DoctorScreen
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.deed import DeedScreen, Phase
from fkexplorer.tui.world import View
from tests.tui.guessing import configured as folder
from tests.tui.guessing import guessed, to_pair
from tests.tui.helpers import PATIENCE, POLL, gone, holding, opened, run
from tests.tui.test_fixes import arm, by_hand, confirm, deed, previewed, rows, said
from tests.tui.test_roles import limited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.doctor.model import Examination, Finding
    from tests.tui.helpers import Person

__all__ = ["by_hand"]

MAKE = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int, other int);
CREATE INDEX ON c (pid);
INSERT INTO p SELECT n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n, n FROM generate_series(1, 10) n;
"""
NOT_VALID = "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;"
VALID = "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p;"


def doctor(person: Person) -> DoctorScreen:
    screen = person.app.screen
    assert isinstance(screen, DoctorScreen), screen
    return screen


async def looked(person: Person) -> Examination:
    """Wait for the examination."""
    await person.until(
        lambda: (
            isinstance(person.app.screen, DoctorScreen)
            and person.app.screen.known is not None
            and not person.app.screen.looking
        )
    )
    await person.settle()
    known = doctor(person).known
    assert known is not None
    return known[0]


async def examined(person: Person, key: str = "D") -> Examination:
    await person.press(key)
    return await looked(person)


def closed(person: Person) -> bool:
    """Whether the keys go to the panes again."""
    return person.app.screen is person.app.main


async def to(person: Person, code: str, subject: str = "") -> Finding:
    """Put the cursor on a finding."""
    screen = doctor(person)
    at, finding = next(
        (at, each.told.finding)
        for at, each in enumerate(screen.list._lines)
        if each.told and each.told.finding and each.told.finding.code == code and subject in each.told.finding.subject
    )
    screen.list.move_to(at)
    await person.settle()
    return finding


def listed(person: Person) -> str:
    """All lines of the list."""
    return "\n".join(plain(line) for line in doctor(person).list.content)


def detail(person: Person) -> str:
    """All that is said of the finding under the cursor, on one line."""
    return " ".join(" ".join(plain(line) for line in doctor(person).detail.content).split())


def runnable(finding: Finding) -> list[str]:
    return [each for each in finding.treatment.statements if not each.startswith("--")]


def same(text: str) -> str:
    """Without what a screen does to a text: its lines and blanks."""
    return "".join(text.split())


async def test_all_findings_by_severity_and_each_in_full(demo_url: str) -> None:
    async with opened(demo_url) as person:
        found = await examined(person)
        await person.sees("doctor: 12 not sure, 2 will hurt")
        lines = listed(person).splitlines()
        assert [line.strip() for line in lines if not line.startswith("  ")] == [
            "made, but not sure (12)",
            "will hurt (2)",
        ]
        assert len(lines) == 2 + len(found.findings)
        await person.sees(r"Looked at 44 foreign keys at \d\d:\d\d:\d\d \(")
        # What the monitor has counted was not counted again.
        assert found.counts.keys() == person.app.world.counts.keys()
        assert all(count is person.app.world.counts[oid] for oid, count in found.counts.items())
        for each in found.findings:
            await to(person, each.code, each.subject)
            text = same(detail(person))
            for part in (each.text.removeprefix(f"{each.subject} "), each.seen, each.why, each.treatment.forecast):
                assert same(part) in text
            assert same("\n".join(sql_lines(each))) in text
            assert all(same(lock.mode) in text for lock in each.treatment.locks)
            assert f"{each.at:%Y-%m-%d%H:%M:%S}" in text
        # Of the last, which is about a table, Y copies what would mend it.
        await person.press("Y")
        await person.told("Sent to the terminal's clipboard")
        assert person.app.clipboard == "\n".join(sql_lines(found.findings[-1])) + "\n"
        await person.press("y")
        assert "made, but not sure (12)" in person.app.clipboard
        assert "[rules_disagree]" in person.app.clipboard
        # What does not fit is a key away, and so is the beginning.
        assert f"[{found.findings[-1].code}]" in person.text
        at = f"at   {found.findings[-1].at:%Y-%m-%d %H:%M:%S} UTC"
        while at not in person.text:
            await person.press("space")
        assert f"[{found.findings[-1].code}]" not in person.text
        await person.press("space")
        assert f"[{found.findings[-1].code}]" in person.text
        # The constraint that is to be changed, though it is told of the table above.
        finding = await to(person, "rules_disagree", "workspaces.workspaces")
        await person.press("o")
        assert closed(person)
        assert person.in_view(View.LENS)
        assert person.app.main.lens.current == finding.edge


async def test_enter_previews_the_sql_that_the_finding_told_and_after_it_the_finding_is_gone(
    make_database: Callable[[str], str],
) -> None:
    url = make_database(MAKE + NOT_VALID)
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await arm(person)
        await person.open_lens("c", "fk")
        await examined(person, "d")
        await person.sees(r"doctor of public\.c\.fk: 1 not sure")
        finding = await to(person, "not_valid")
        assert "0 orphans: VALIDATE will pass" in detail(person)
        [statement] = runnable(finding)
        await person.press("enter")
        await previewed(person)
        assert list(deed(person).deed.sql) == [statement]
        assert same(statement) in same(await said(person))
        await confirm(person, "fk")
        await previewed(person, Phase.ENDED)
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, DoctorScreen))
        found = await looked(person)
        assert not found.findings
        await person.sees("Nothing was found in 1 foreign key")
        # `D` says of how many, too.
        await person.press("escape")
        await examined(person)
        await person.sees("Nothing was found in 1 foreign key: no constraint that can't be made")


async def test_rows_that_a_fix_deletes_are_counted_again_at_once(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + "INSERT INTO c VALUES (11, 11), (12, 12);" + NOT_VALID)
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await arm(person)
        # From the table of tables it is the worst of the table, from rows the one whose rows they are.
        await person.go_to("c")
        await examined(person, "d")
        await person.sees(r"doctor of public\.c\.fk: 1 not sure")
        await person.press("escape")
        await person.open_lens("c", "fk")
        await person.press("o")
        await person.read()
        await examined(person, "d")
        finding = await to(person, "not_valid")
        assert finding.text.endswith("it has 2 orphans.")
        # With orphans it is another fix that comes first.
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.settle()
        await person.press("d")
        await previewed(person)
        await confirm(person, "2")
        await previewed(person, Phase.ENDED)
        # The monitor is not to be quicker than the doctor, nor the other way round.
        await person.press("enter", "escape")
        found = await looked(person)
        [finding] = found.findings
        assert finding.text.endswith("it has no orphan.")
        assert "0 orphans: VALIDATE will pass" in detail(person)


@pytest.mark.parametrize(
    ("code", "subject"),
    [
        ("rules_disagree", "workspaces.workspaces"),
        ("triggers_disabled", "shop.reviews"),
        ("not_enforced", "shop.wish_list_items"),
        ("orphans_under_valid", "billing.payments"),
    ],
)
async def test_each_action_is_previewed_with_its_options(demo_url: str, code: str, subject: str) -> None:
    async with opened(demo_url) as person:
        await examined(person)
        finding = await to(person, code, subject)
        assert finding.treatment.action is not None
        await person.press("enter")
        # Orphans are in the way of some: the preview says so.
        await person.until(
            lambda: isinstance(person.app.screen, DeedScreen) and person.app.screen.phase in {Phase.SEEN, Phase.FAILED}
        )
        assert list(deed(person).deed.sql) == runnable(finding)
        assert str(finding.treatment.action) in deed(person).deed.title


TYPES = """
CREATE TABLE users (id uuid PRIMARY KEY);
CREATE TABLE logins (id int PRIMARY KEY, user_id text);
CREATE INDEX ON logins (user_id);
"""
TYPES_CONFIG = """
[[relationships]]
pair = "logins(user_id):users(id)"
"""


def configured(tmp_path: Path, text: str) -> Arming:
    """What is configured, with writes permitted."""
    (tmp_path / ".fkexplorer.toml").write_text(text)
    settings = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path)
    return Arming(settings, allow_writes=True)


async def test_a_pair_from_what_stands_in_its_way_to_a_constraint(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = make_database(TYPES)
    async with opened(url, arming=configured(tmp_path, TYPES_CONFIG)) as person:
        await arm(person)
        await examined(person)
        await person.sees("doctor: 1 can't be made")
        await person.sees("Looked at 1 pair at")
        finding = await to(person, "types_differ")
        change, *rest = runnable(finding)
        await person.press("enter")
        await previewed(person)
        assert list(deed(person).deed.sql) == [change]
        await confirm(person, deed(person).deed.confirm)
        await previewed(person, Phase.ENDED)
        await person.press("enter")
        found = await looked(person)
        [finding] = found.findings
        assert finding.code == "undeclared"
        assert runnable(finding) == rest
        await person.press("enter")
        await previewed(person)
        assert list(deed(person).deed.sql) == rest
        await confirm(person, deed(person).deed.confirm)
        await previewed(person, Phase.ENDED)
        await person.press("enter")
        found = await looked(person)
        assert not found.findings
        assert [each.kind for each in found.edges] == [EdgeKind.DECLARED]
        await person.sees("Nothing was found in 1 foreign key")


async def test_a_guess_has_findings_and_no_sql(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + "INSERT INTO c VALUES (11, 1, 11);")
    async with opened(url) as person:
        schema = person.app.world.schema
        assert schema is not None
        edge = await edge_or_pair(person.app.session.connected(), schema, "c(other):p(id)", incomparable=True)
        person.app.main._doctor(replace(edge, kind=EdgeKind.INFERRED))
        found = await looked(person)
        await person.sees(r"doctor of the guess public\.c\(other\):public\.p\(id\): 1 can't be made")
        [finding] = found.findings
        assert (finding.code, finding.text) == (
            "orphans_in_the_way",
            "1 orphan in public.c.other: VALIDATE would fail.",
        )
        assert "ALTER" not in person.text
        await person.sees(r"A guess: no SQL until \+ accepts it\.")
        await person.press("Y")
        await person.told("There is no SQL to copy")
        await person.press("a")
        await person.told("it is a guess: \\+ accepts it first")
        assert isinstance(person.app.screen, DoctorScreen)
        await person.press("y")
        assert "ALTER" not in person.app.clipboard
        # Enter leads to no preview, but to its table.
        await person.press("enter")
        assert closed(person)
        assert person.app.main.lens.table == person.table("c").oid


async def test_what_is_denied_was_not_looked_at(database_url: str) -> None:
    async with limited(database_url, "GRANT SELECT ON p TO ROLE") as conninfo, opened(conninfo) as person:
        found = await examined(person)
        assert found.not_looked
        await person.sees(rf"Looked at 1 foreign key at .*; {len(found.not_looked)} things? not\.")
        assert f"not looked at ({len(found.not_looked)})" in listed(person)
        await person.press("G")
        what, reason = found.not_looked[-1]
        assert same(what) in same(detail(person))
        assert same(reason) in same(detail(person))


async def test_where_nothing_is_found_what_was_not_looked_at_is_no_part_of_it(database_url: str) -> None:
    script = "GRANT SELECT ON p TO ROLE; ALTER TABLE c DROP CONSTRAINT c_p_fk; DELETE FROM c; CREATE INDEX ON c (p_id);"
    script += "ALTER TABLE c ADD CONSTRAINT c_p_fk FOREIGN KEY (p_id) REFERENCES p"
    async with limited(database_url, script) as conninfo, opened(conninfo) as person:
        found = await examined(person)
        assert not found.findings
        assert "Nothing was found in 1 foreign key" in listed(person)
        assert same("But 1 thing was not looked at, and may be wrong.") in same(listed(person))


async def test_over_the_cost_limit_is_said(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + VALID)
    async with opened(url, max_bytes=1) as person:
        await examined(person)
        assert "over the cost limit (1)" in listed(person)
        await person.sees(r"Looked at 1 foreign key at .*; 1 thing not\.")


async def test_what_is_ignored_stands_apart(make_database: Callable[[str], str], tmp_path: Path) -> None:
    url = make_database(MAKE + NOT_VALID)
    text = '[[ignored]]\nedge = "c.fk"\nreason = "since the import"\n'
    async with opened(url, arming=configured(tmp_path, text)) as person:
        found = await examined(person)
        assert not found.findings
        await person.sees("doctor: nothing found ")
        assert "Nothing else was found in 1 foreign key" in listed(person)
        assert "known or ignored (1)" in listed(person)
        assert detail(person).startswith("ignored: since the import public.c.fk [not_valid]")


async def test_a_look_is_stopped(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + NOT_VALID)
    async with holding(url, "LOCK TABLE c"), opened(url, wait=False) as person:
        await person.until(lambda: person.app.world.schema is not None)
        await person.press("D")
        await person.sees("Waiting for the counts: 0 of 1; Esc stops it")
        await person.press("ctrl+c")
        await person.sees(r"Stopped\. r looks again")
        assert doctor(person).known is None
        # And an edge alone, which is counted at once, by leaving it.
        await person.press("escape")
        assert closed(person)
        await person.press("d")
        await person.until(lambda: isinstance(person.app.screen, DoctorScreen))
        await person.sees("Esc stops it")
        await person.press("escape")
        assert closed(person)
        assert not [each for each in person.app.workers if each.group == "doctor" and each.is_running]
    await gone(url)


async def test_of_a_look_at_one_edge_nothing_is_left_on_the_server(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + NOT_VALID)
    async with opened(url) as person:
        await person.open_lens("c", "fk")
        person.app.world.counts.clear()  # else there is nothing to count
        async with holding(url, "LOCK TABLE c"):
            await person.press("d")
            await until_waiting(url, sessions=1)
            await person.press("escape")
            assert closed(person)
            await until_waiting(url, sessions=0)
        assert person.app.world.lost is None


async def until_waiting(url: str, *, sessions: int) -> None:
    """Wait until so many sessions of the app wait for a lock."""
    query = (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE NOT l.granted AND a.datname = current_database() AND a.application_name = 'fkexplorer'"
    )
    async with asyncio.timeout(PATIENCE):
        while await rows(url, query) != [(sessions,)]:  # noqa: ASYNC110 - nothing tells of another session
            await asyncio.sleep(POLL)


async def test_a_foreign_key_that_is_gone_is_said_to_be(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + NOT_VALID)
    async with opened(url) as person:
        await person.open_lens("c", "fk")
        await examined(person, "d")
        # Another one on the same columns is the same to whoever looks.
        await run(
            url, "ALTER TABLE c DROP CONSTRAINT fk; ALTER TABLE c ADD CONSTRAINT fk2 FOREIGN KEY (pid) REFERENCES p"
        )
        await person.press("r")
        await person.sees("Nothing was found in 1 foreign key")
        await run(url, "ALTER TABLE c DROP CONSTRAINT fk2")
        await person.press("r")
        await person.sees("this foreign key is no more; Esc closes")


async def test_the_filter(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await examined(person)
        await person.press("slash")
        await person.type("Stock")
        await person.press("enter")
        assert "made, but not sure (1 of 12)" in listed(person)
        assert "partly_null" in listed(person)
        assert detail(person).startswith("shop.stock.stock_warehouse_bin_fkey [partly_null]")
        await person.press("slash")
        await person.type("zzz")
        await person.press("enter")
        await person.sees("No finding holds this text")
        assert not detail(person)
        await person.press("enter")
        assert isinstance(person.app.screen, DoctorScreen)
        # One layer back is the whole list.
        await person.press("escape")
        assert "made, but not sure (12)" in listed(person)
        await person.press("escape")
        assert closed(person)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (140, 40)])
@pytest.mark.parametrize("plainly", [False, True])
async def test_it_reads_well_at_any_size(
    demo_url: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, *, plainly: bool
) -> None:
    if plainly:
        monkeypatch.setenv("NO_COLOR", "1")
    async with opened(demo_url, size=size, ascii_only=plainly) as person:
        await examined(person)
        await to(person, "not_valid", "accounts")
        await person.press("tab", "pagedown", "tab")
        shown = person.lines()
        assert all(len(line) <= size[0] for line in shown)
        assert any("accounts_user_id_fkey" in line or "not_valid" in line for line in shown)
        assert person.text.isascii() is plainly
        assert doctor(person).detail.size.height > doctor(person).detail.heading_count()
        if size[1] >= 24:
            assert "Looked at 44 foreign keys" in person.text
            assert "Enter preview" in person.text
            assert size[0] == 80 or "Esc close" in person.text
        # Wide enough, and the list says what is wrong, too.
        assert ("rows from before it were never checked" in listed(person)) is (size[0] == 140)


async def test_without_a_foreign_key_there_is_one_to_look_at_no_less(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE p (id int PRIMARY KEY)")
    async with opened(url) as person:
        await examined(person)
        await person.sees("Nothing was found in 0 foreign keys")
        await person.press("escape", "d")
        await person.told("doctor: no foreign key under the cursor")


async def test_guesses_that_are_drawn_are_no_part_of_all(demo_url: str, tmp_path: Path) -> None:
    async with folder(demo_url, tmp_path) as person:
        await guessed(person)
        found = await examined(person)
        assert {each.kind for each in found.edges} == {EdgeKind.DECLARED}
        await person.press("escape")
        edge = await to_pair(person, "nextauth.sessions", "user_id")
        assert edge.kind is EdgeKind.INFERRED
        found = await examined(person, "d")
        assert found.edges == (edge,)
        [finding] = found.findings
        assert finding.code == "types_differ"
        assert "3 values of nextauth.sessions.user_id (3 rows) do not cast to uuid" in detail(person)
        assert "ALTER" not in detail(person)
        assert not finding.treatment.statements


async def test_what_is_linked_and_not_there_is_found_and_leads_nowhere(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = make_database("CREATE TABLE users (id uuid PRIMARY KEY)")
    async with opened(url, arming=configured(tmp_path, TYPES_CONFIG)) as person:
        await examined(person)
        await person.sees("doctor: 1 can't be made")
        assert "There is no table logins: its CREATE failed, or has not run" in detail(person)
        await person.press("enter")
        await person.told("It is about no table that is there")
        await person.press("a")
        await person.told("fixes: it is about no single foreign key")


async def test_all_of_it_is_mended_by_one_plan(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + "INSERT INTO c VALUES (11, 11, 1), (12, 12, 1);" + NOT_VALID)
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await arm(person)
        await examined(person)
        await person.press("P")
        await previewed(person)
        assert "move the orphans of public.c" in await said(person)
        await confirm(person, deed(person).deed.confirm)
        await previewed(person, Phase.ENDED)
        await person.press("enter")
        found = await looked(person)
        assert not found.findings
        assert [count.orphans for count in found.counts.values()] == [0]
        await person.press("P")
        await person.told("There is nothing to plan")
