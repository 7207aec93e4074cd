"""How fast a log is read, and in how much memory: `python -m tests.benchmarks.reading [MEGABYTES]`."""

from __future__ import annotations

import sys
import time
import tracemalloc
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.reader import Reader

if TYPE_CHECKING:
    from fkexplorer.diagnosis.reading.model import Reading

MEGABYTE = 1 << 20
PIPE = 1 << 16
"""Bytes that a pipe gives at a time."""

_NOISE = (
    "{time} UTC [{p}] app@shop LOG:  duration: {n}.12 ms  statement: select id, email from users where id = $1\n",
    (
        '{{"level":30,"time":17636902{n:05d},"pid":{p},"req":{{"method":"GET","url":"/api/session/{n}"}},'
        '"res":{{"status":401}},"msg":"request completed"}}\n'
    ),
    "app-1  | {time} INFO heartbeat worker={p} queue=default latency={n}ms\n",
    '10.0.0.{s} - - [21/Nov/2026:01:00:{s:02d} +0000] "POST /api/auth/callback HTTP/1.1" 401 {n} "-" "Mozilla/5.0"\n',
    "[app] Unauthorized: no session for request {n}\n",
    "    at async processTicksAndRejections (node:internal/process/task_queues:95:{s})\n",
)
_SERVER = """\
{time} UTC [{p}] app@shop ERROR:  insert or update on table "sessions" violates foreign key constraint "sessions_fk"
{time} UTC [{p}] app@shop DETAIL:  Key (user_id)=({k}) is not present in table "users".
{time} UTC [{p}] app@shop STATEMENT:  insert into sessions(user_id) values ({k})
"""
_DRIZZLE = """\
[app] DrizzleQueryError: Failed query: insert into "orders" ("id", "customer_id") values (default, $1)
[app] params: {k}
[app]     at async handler (/app/orders.js:12:7) {{
[app]   query: 'insert into "orders" ("id", "customer_id") values (default, $1)',
[app]   params: [ '{k}' ],
[app]   cause: error: insert or update on table "orders" violates foreign key constraint "orders_customer_id_fkey"
[app]       at /app/node_modules/pg-pool/index.js:45:11 {{
[app]     code: '23503',
[app]     detail: 'Key (customer_id)=({k}) is not present in table "customers".',
[app]     schema: 'public',
[app]     table: 'orders',
[app]     constraint: 'orders_customer_id_fkey'
[app]   }}
[app] }}
"""


def log(size: int, every: int) -> tuple[bytes, int]:
    """A log of a size in bytes, of many programs' lines in turn, with an error after so many bytes each; how many."""
    lines: list[str] = []
    written = number = errors = 0
    while written < size:
        number += 1
        time_ = f"2026-11-21 01:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1000:03d}"
        values = {"time": time_, "s": number % 60, "n": number % 1000, "p": 1000 + number % 37, "k": errors % 50}
        line = _NOISE[number * 7 % len(_NOISE)].format_map(values)
        if written // every > errors:
            line += (_SERVER, _DRIZZLE)[errors % 2].format_map(values)
            errors += 1
        lines.append(line)
        written += len(line)
    return "".join(lines).encode(), errors


def read(text: bytes) -> Reading:
    """Reads as from a pipe."""
    reader = Reader()
    for start in range(0, len(text), PIPE):
        reader.feed(text[start : start + PIPE])
    return reader.close()


def main() -> None:
    """Measures and prints."""
    size = int(sys.argv[1] if len(sys.argv) > 1 else 50) * MEGABYTE
    for every in (MEGABYTE, MEGABYTE // 20, MEGABYTE // 400):
        text, planted = log(size, every)
        begun = time.process_time()
        reading = read(text)
        seconds = time.process_time() - begun
        seen = [each.occurrences for each in reading.found]
        assert seen == [planted - planted // 2, planted // 2], (seen, planted)
        part = text[: size // 5]
        tracemalloc.start()
        read(part)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{len(text) / MEGABYTE:.0f} MB, {planted} errors in {len(seen)} findings: {seconds:.2f} s, "
            f"{len(text) / MEGABYTE / seconds:.0f} MB/s; {peak / MEGABYTE:.1f} MB of memory at most"
        )


if __name__ == "__main__":
    main()
