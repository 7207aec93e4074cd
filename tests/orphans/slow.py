"""A type that is compared as slowly as a test wants: counts that take long on any machine, and keep none busy."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_GATE = 4711

# An integer whose comparison sleeps as long as somebody holds an advisory lock. 100 rows take a second then.
SLOW = f"""
CREATE TYPE slow;
CREATE FUNCTION slow_in(cstring) RETURNS slow LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION slow_out(slow) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE slow (INPUT = slow_in, OUTPUT = slow_out, LIKE = int4);
CREATE CAST (int4 AS slow) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (slow AS int4) WITHOUT FUNCTION;
CREATE FUNCTION slow_cmp(a slow, b slow) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN
 PERFORM pg_sleep(0.003) FROM pg_locks WHERE locktype = 'advisory' AND objid = {_GATE} AND database = (
  SELECT oid FROM pg_database WHERE datname = current_database());
 RETURN btint4cmp(a::int4, b::int4);
END $$;
CREATE FUNCTION slow_eq(a slow, b slow) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS $$ BEGIN
 RETURN public.slow_cmp(a, b) = 0; END $$;
CREATE FUNCTION slow_lt(slow, slow) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION slow_le(slow, slow) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION slow_gt(slow, slow) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION slow_ge(slow, slow) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE OPERATOR = (FUNCTION = slow_eq, LEFTARG = slow, RIGHTARG = slow, COMMUTATOR = =);
CREATE OPERATOR < (FUNCTION = slow_lt, LEFTARG = slow, RIGHTARG = slow, COMMUTATOR = >);
CREATE OPERATOR <= (FUNCTION = slow_le, LEFTARG = slow, RIGHTARG = slow, COMMUTATOR = >=);
CREATE OPERATOR > (FUNCTION = slow_gt, LEFTARG = slow, RIGHTARG = slow, COMMUTATOR = <);
CREATE OPERATOR >= (FUNCTION = slow_ge, LEFTARG = slow, RIGHTARG = slow, COMMUTATOR = <=);
CREATE OPERATOR CLASS slow_ops DEFAULT FOR TYPE slow USING btree AS
 OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 slow_cmp(slow, slow);
CREATE TABLE p (id slow PRIMARY KEY);
CREATE TABLE c (pid slow, note text);
INSERT INTO p SELECT n::slow FROM generate_series(1, 10) n;
INSERT INTO c SELECT n::slow FROM generate_series(1, 1000) n;
ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""
ORPHANS = 990


@asynccontextmanager
async def slowed(conninfo: str) -> AsyncIterator[None]:
    """Meanwhile, comparisons sleep."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as gate:
        await gate.execute(f"SELECT pg_advisory_lock({_GATE})")
        yield
        await gate.execute("SELECT pg_advisory_unlock_all()")
