"""`check` as Markdown: what fails first, what is excused apart, foreign names as they are."""

from __future__ import annotations

from dataclasses import replace

from fkexplorer.orphans.model import Status
from fkexplorer.reports.check_markdown import check_markdown
from fkexplorer.reports.document import Check
from tests.reports.build import NOW, Builder, counted
from tests.reports.test_documents import FACTS, a_check


def test_what_fails_comes_first_and_what_is_excused_apart() -> None:
    _, _, check = a_check()
    text = "\n".join(check_markdown(check))
    assert text.startswith("# Foreign keys of ")
    assert ": orphans\n" in text
    orphans, uncounted = text.index("## Orphans"), text.index("## Not counted")
    assert orphans < text.index("`public.of_orphans.of_orphans_user_id_fkey`") < uncounted
    assert uncounted < text.index("why denied")
    assert "## Known" not in text
    [edge] = check.with_status(Status.ORPHANS)
    excused = "\n".join(check_markdown(replace(check, excused={edge.oid: "ignored: a legacy | import"})))
    assert ": no new orphans\n" in excused
    assert "## Orphans" not in excused
    known = excused.index("## Known or ignored")
    assert known < excused.index("`public.of_orphans.of_orphans_user_id_fkey`")
    assert "(ignored: a legacy \\| import)" in excused, "a bar would end the cell"


def test_a_clean_database_has_a_title_and_a_summary_alone() -> None:
    made = Builder()
    made.table("user")
    made.table("a|b", "user_id")
    edge = made.edge("a|b", "user_id", "user")
    schema = made.schema()
    clean = Check("0.1.0", FACTS, schema, [edge], 2, {edge.oid: counted(edge, 0)}, NOW, 0.5)
    assert [line for line in check_markdown(clean) if line.startswith("#")] == [
        "# Foreign keys of me@localhost/app: no orphans"
    ]
    broken = replace(clean, counts={edge.oid: counted(edge, 3)})
    [row] = [line for line in check_markdown(broken) if line.startswith("| `")]
    assert row.replace("\\|", "").count("|") == 4, "three cells"
