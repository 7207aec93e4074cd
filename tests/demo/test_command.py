"""`--demo` from the command line: the demo, wherever the caller's environment points to."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.commands import environment, run

ERROR = """\
ERROR:  insert or update on table "user_github_installation" violates foreign key constraint \
"user_github_installation_user_id_user_id_fk"
DETAIL:  Key (user_id)=(acb42b05-c3e7-4818-aedb-42f95a2f3b54) is not present in table "user".
"""
README = Path(__file__).parents[2] / "README.md"


async def test_check_on_the_demo() -> None:
    done = await run("check", "--demo", env=environment())
    assert done.code == 1
    assert "44 of 44 foreign keys checked, 8 with orphans: 66 orphans" in done.out
    assert "demo@[local]/demo (--demo)" in done.err


async def test_libpq_variables_lead_nowhere_else() -> None:
    elsewhere = {"PGSERVICE": "nope", "PGHOSTADDR": "127.0.0.9", "PGOPTIONS": "-c role=nobody", "PGUSER": "nobody"}
    done = await run("rows", "shipments_order_id_fkey", "--keys", "--demo", env=environment(**elsewhere))
    assert done.code == 0, done.err
    assert "4 missing keys" in done.err


async def test_the_commands_in_the_readme_do_what_they_say(databases: tuple[str, str], tmp_path: Path) -> None:
    files = {"keys.csv": "old,new\n90005,5\n", "app.log": ERROR}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("fkexplorer ")]
    assert len(lines) >= 9
    env = environment(DATABASE_URL=databases[0])
    for line in lines:
        words = shlex.split(line.replace("$DATABASE_URL", databases[0]), comments=True)[1:]
        if ">" in words:
            del words[words.index(">") :]
        done = await run(*words, env=env, cwd=tmp_path)
        finds = words[0] in ("check", "explain") and "--write-baseline" not in words
        assert done.code == (1 if finds else 0), (line, done.err)
        assert done.out, line
