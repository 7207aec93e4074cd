"""Kinds of keys for the tests of keyset order: what each needs first, its type, and a query of its values."""

from __future__ import annotations

# Settings that would lose digits, zones or signs of a key's text, were they not set for each read.
SETTINGS = """
SET session_replication_role = replica;
DO $$ BEGIN
 EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Kolkata''', current_database());
 EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -10', current_database());
 EXECUTE format('ALTER DATABASE %I SET intervalstyle = ''sql_standard''', current_database());
 EXECUTE format('ALTER DATABASE %I SET bytea_output = ''escape''', current_database());
END $$;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE SCHEMA "ex%t";
"""

# For each kind of key what has to be there first, the type, and a query of at least 10 values.
KINDS = {
    "int4": ("", "int4", "SELECT g FROM generate_series(-2147483648, 2147483647, 100000000) g"),
    "int8": ("", "int8", "SELECT g * 1000000007::int8 FROM generate_series(-15, 15) g"),
    "numeric": (
        "",
        "numeric",
        (
            "SELECT g::numeric / 7 FROM generate_series(-15, 15) g UNION SELECT unnest(ARRAY['NaN', '1e300', "
            "'1e-40', '123456789012345678901234567890.5']::numeric[])"
        ),
    ),
    "float8": (
        "",
        "float8",
        (
            "SELECT 0.1::float8 + g * 1e-16::float8 FROM generate_series(1, 30) g UNION SELECT unnest(ARRAY['NaN', "
            "'Infinity', '-Infinity', '1e-308', '5e-324', '-0', '1.7976931348623157e308']::float8[])"
        ),
    ),
    "float4": ("", "float4", "SELECT 0.1::float4 + g * 1e-8::float4 FROM generate_series(1, 30) g GROUP BY 1"),
    "money": ("", "money", "SELECT (g * 1234.56)::numeric::money FROM generate_series(-15, 15) g"),
    "bool": ("", "bool", "VALUES (true), (false)"),
    "text": (
        "",
        "text",
        (
            "SELECT 'k' || g || chr(8364 + g) FROM generate_series(1, 30) g UNION VALUES (''), ('NULL'), (' '), "
            "('%s'), (':x'), ('it''s \"q\" \\'), (E'two\\nlines'), (repeat('long', 500))"
        ),
    ),
    "text in a collation": (
        'CREATE COLLATION posix FROM "C"',
        "text COLLATE posix",
        "SELECT CASE g % 2 WHEN 0 THEN 'a' ELSE 'B' END || g FROM generate_series(1, 30) g",
    ),
    "varchar": ("", "varchar(9)", "SELECT 'v' || g FROM generate_series(1, 30) g"),
    "char(n)": ("", "char(7)", "SELECT 'c' || g || E'\\x01' FROM generate_series(1, 30) g UNION VALUES ('c'), ('')"),
    "one-byte char": ("", '"char"', 'SELECT chr(g)::"char" FROM generate_series(33, 126) g'),
    "name": ("", "name", "SELECT ('n' || g)::name FROM generate_series(1, 30) g"),
    "citext": (
        "",
        "citext",
        "SELECT CASE g % 2 WHEN 0 THEN 'a' ELSE 'B' END || g FROM generate_series(10, 40) g",
    ),
    "uuid": ("", "uuid", "SELECT md5(g::text)::uuid FROM generate_series(1, 30) g"),
    "bytea": (
        "",
        "bytea",
        "SELECT decode(md5(g::text), 'hex') FROM generate_series(1, 30) g UNION SELECT '' UNION SELECT '\\x00'",
    ),
    "timestamptz": (
        "",
        "timestamptz",
        (
            "SELECT '2026-03-29 00:59:59.999990+00'::timestamptz + g * interval '1 us' FROM generate_series(1, 30) g "
            "UNION SELECT unnest(ARRAY['infinity', '-infinity', '0044-03-15 12:00:00 BC', '1850-01-01 00:00:00+00', "
            "'2026-10-25 00:30:00+00', '2026-10-25 01:30:00+00']::timestamptz[])"
        ),
    ),
    "timestamp": (
        "",
        "timestamp",
        "SELECT '2026-01-02'::timestamp + g * interval '1 us' FROM generate_series(1, 30) g",
    ),
    "date": ("", "date", "SELECT '2026-01-02'::date + g * 11 FROM generate_series(1, 30) g UNION SELECT 'infinity'"),
    "time": ("", "time", "SELECT '23:59:59.9999'::time + g * interval '1 us' FROM generate_series(1, 30) g"),
    "timetz": ("", "timetz", "SELECT ('12:00:00+' || g % 14)::timetz FROM generate_series(1, 13) g"),
    "interval": (
        "",
        "interval",
        "SELECT g * interval '1 mon' - g * interval '3 day 1.5 sec' FROM generate_series(-15, 15) g",
    ),
    "enum": (
        "CREATE TYPE mood AS ENUM ('z', 'y', 'x', 'it''s', 'w w', 'A', 'a', 'NULL', '%', ',')",
        "mood",
        "SELECT unnest(enum_range(NULL::mood))",
    ),
    "type with casts of its own": (
        """CREATE TYPE public.mode AS ENUM ('z', 'y', 'x', 'w', 'v');
        CREATE FUNCTION public.out(public.mode) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''z''::text';
        CREATE FUNCTION public.back(text) RETURNS public.mode LANGUAGE sql IMMUTABLE AS 'SELECT ''z''::public.mode';
        CREATE FUNCTION public.back(varchar) RETURNS public.mode LANGUAGE sql IMMUTABLE AS 'SELECT ''z''::public.mode';
        CREATE CAST (public.mode AS text) WITH FUNCTION public.out(public.mode);
        CREATE CAST (text AS public.mode) WITH FUNCTION public.back(text);
        CREATE CAST (varchar AS public.mode) WITH FUNCTION public.back(varchar)""",
        "mode",
        "SELECT unnest(enum_range(NULL::mode))",
    ),
    "int4[]": ("", "int4[]", "SELECT ARRAY[g % 3, NULL, g] FROM generate_series(1, 30) g UNION VALUES ('{}'::int4[])"),
    "text[]": (
        "",
        "text[]",
        "SELECT ARRAY['a,b', NULL, 'NULL', '\"', g::text, ''] FROM generate_series(1, 30) g UNION SELECT '{{a},{b}}'",
    ),
    "domain": ("CREATE DOMAIN small AS int4 CHECK (value < 100000)", "small", "SELECT g FROM generate_series(1, 30) g"),
    "domain of a domain of citext": (
        "CREATE DOMAIN word AS citext; CREATE DOMAIN name_ AS word CHECK (value <> '')",
        "name_",
        "SELECT CASE g % 2 WHEN 0 THEN 'a' ELSE 'B' END || g FROM generate_series(10, 40) g",
    ),
    "composite type": (
        "CREATE TYPE pair AS (a text, b int4)",
        "pair",
        "SELECT ROW(CASE WHEN g % 3 > 0 THEN 'x,' || g % 3 END, g)::pair FROM generate_series(1, 30) g",
    ),
    "range": (
        "",
        "int4range",
        "SELECT int4range(g % 5, g + 5) FROM generate_series(1, 30) g UNION SELECT 'empty' UNION SELECT '(,)'",
    ),
    "own range": (
        "CREATE TYPE frange AS RANGE (subtype = float8)",
        "frange",
        "SELECT frange(0.1 + g % 5, g + 5.1) FROM generate_series(1, 30) g",
    ),
    "inet": (
        "",
        "inet",
        "SELECT '10.0.0.0/8'::inet + g * 300 FROM generate_series(1, 30) g UNION VALUES ('::1'::inet)",
    ),
    "cidr": ("", "cidr", "SELECT set_masklen('10.0.0.0'::cidr, g) FROM generate_series(8, 32) g"),
    "macaddr": (
        "",
        "macaddr",
        "SELECT ('08:00:2b:01:02:' || lpad(to_hex(g), 2, '0'))::macaddr FROM generate_series(1, 30) g",
    ),
    "bit": ("", "bit(9)", "SELECT g::bit(9) FROM generate_series(1, 30) g"),
    "varbit": ("", "varbit", "SELECT substring(g::bit(9) from 1 + g % 5) FROM generate_series(1, 30) g GROUP BY 1"),
    "jsonb": ("", "jsonb", "SELECT jsonb_build_object('k', g, 'q', '\"') FROM generate_series(1, 30) g"),
    "oid": ("", "oid", "SELECT (g * 143165576::int8)::oid FROM generate_series(1, 29) g"),
    "pg_lsn": ("", "pg_lsn", "SELECT ('0/' || to_hex(g * 1234567))::pg_lsn FROM generate_series(1, 30) g"),
    "tsvector": ("", "tsvector", "SELECT to_tsvector('simple', 'it''s ' || g) FROM generate_series(1, 30) g"),
}
