"""Logs as they come from production: errors nested in each other's dumps, between the lines of other programs."""

from __future__ import annotations

import textwrap

_STACK = """\
[app]     at NodePgPreparedQuery.queryWithCache (/app/node_modules/drizzle-orm/pg-core/session.cjs:66:15)
[app]     at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
[app]     at async saveInstallation (/app/.next/server/chunks/412.js:1:9042)"""

_QUERY = (
    'insert into "user_github_installation" ("id", "user_id", "installation_id", "role", "created_at") '
    "values ($1, $2, $3, $4, default)"
)
USER = "acb42b05-c3e7-4818-aedb-42f95a2f3b54"
_MESSAGE = (
    'insert or update on table "user_github_installation" violates foreign key constraint '
    '"user_github_installation_user_id_user_id_fk"'
)


def _attempt(second: int, identifier: str) -> str:
    listed = f"{identifier},{USER},61234567,owner"
    parameters = f"""[
[app]     '{identifier}',
[app]     '{USER}',
[app]     '61234567',
[app]     'owner'
[app]   ]"""
    return f"""\
[app] 2026-11-20T09:14:{second:02d}.120Z POST /api/github/callback?code=1f3a&installation_id=61234567
[app] Error linking GitHub installation: DrizzleQueryError: Failed query: {_QUERY}
[app] params: {listed}
{_STACK} {{
[app]   query: '{_QUERY}',
[app]   params: {parameters},
[app]   cause: DrizzleQueryError: Failed query: {_QUERY}
[app] params: {listed}
[app]       at NodePgSession.execute (/app/node_modules/drizzle-orm/pg-core/session.cjs:90:11)
[web] GET /api/auth/session 401 in 4ms
[app]       at async link (/app/.next/server/chunks/412.js:1:8800) {{
[app]     query: '{_QUERY}',
[app]     params: {parameters},
[worker] 2026-11-20T09:14:{second:02d}.300Z heartbeat ok jobs=0 lag=12ms
[app]     cause: error: {_MESSAGE}
[app]         at /app/node_modules/pg-pool/index.js:45:11
[app]         at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {{
[app]       length: 345,
[app]       severity: 'ERROR',
[app]       code: '23503',
[app]       detail: 'Key (user_id)=({USER}) is not present in table "user".',
[web] GET /api/repos 401 in 3ms
[app]       hint: undefined,
[app]       schema: 'public',
[app]       table: 'user_github_installation',
[app]       column: undefined,
[app]       constraint: 'user_github_installation_user_id_user_id_fk',
[app]       file: 'ri_triggers.c',
[app]       line: '2596',
[app]       routine: 'ri_ReportViolation'
[app]     }}
[app]   }}
[app] }}
[web] POST /api/github/callback 500 in 81ms
"""


def github_link() -> str:
    """An app's log with two attempts at the same link, each error printed with its query, and its cause in it."""
    noise = "".join(
        f"[web] GET /api/auth/session 401 in {at % 7 + 2}ms\n[worker] 2026-11-20T09:13:{at:02d}.000Z heartbeat ok\n"
        f"[app] 2026-11-20T09:13:{at:02d}.500Z [auth] no session cookie, 401 Unauthorized\n"
        for at in range(40)
    )
    first = _attempt(2, "6d1c8a52-0b1e-4c8e-9f43-2f0c1b7f3a10")
    second = _attempt(48, "a0f5be1d-77a3-4b0c-8a8e-5f1d2c3b4a59")
    return f"{noise}{first}{noise}{second}{noise}"


def char_wrapped(text: str, width: int) -> str:
    """A text as a console of a width shows it: broken at the last column, within words too."""
    return "\n".join(line[at : at + width] for line in text.split("\n") for at in range(0, max(len(line), 1), width))


def word_wrapped(text: str, width: int) -> str:
    """A text as a chat or a mail program breaks it: between words, and after hyphens."""
    return "\n".join(
        piece
        for line in text.split("\n")
        for piece in textwrap.wrap(line, width, break_long_words=False, drop_whitespace=True) or [""]
    )
