"""The messages of PostgreSQL's server that tell of a foreign key, as its source has them, and what each means.

The texts are the message ids of the server's catalogues: tablecmds.c, ri_triggers.c, parse_utilcmd.c, heap.c, aclchk.c,
dependency.c and namespace.c of the majors 12 to 18.
"""

from __future__ import annotations

from dataclasses import dataclass

from fkexplorer.diagnosis.reading.model import ErrorKind, Topic


@dataclass(frozen=True, slots=True)
class Known:
    """A message as the source has it."""

    text: str
    """With `%s` for what is filled in."""
    names: tuple[str, ...] = ()
    """What each `%s` is: a field of `Match`, or `column`, `child_type` and the like; empty for what is of no use."""
    kind: ErrorKind = ErrorKind.OTHER
    topic: Topic = Topic.NONE
    sqlstate: str | None = None


_MISSING, _STILL, _OTHER = ErrorKind.MISSING_PARENT, ErrorKind.STILL_REFERENCED, ErrorKind.OTHER
_TABLES = ("parent_table", "constraint", "child_table")


def _other(topic: Topic, sqlstate: str, *texts: str, names: tuple[str, ...] = ("child_table",)) -> tuple[Known, ...]:
    return tuple(Known(text, names[: text.count("%s")], _OTHER, topic, sqlstate) for text in texts)


MESSAGES: tuple[Known, ...] = (
    Known(
        'insert or update on table "%s" violates foreign key constraint "%s"',
        ("child_table", "constraint"),
        _MISSING,
        sqlstate="23503",
    ),
    Known(
        'update or delete on table "%s" violates foreign key constraint "%s" on table "%s"',
        _TABLES,
        _STILL,
        sqlstate="23503",
    ),
    Known(
        'update or delete on table "%s" violates RESTRICT setting of foreign key constraint "%s" on table "%s"',
        _TABLES,
        _STILL,
        sqlstate="23001",
    ),
    Known(
        'removing partition "%s" violates foreign key constraint "%s"',
        ("parent_table", "constraint"),
        _STILL,
        sqlstate="23503",
    ),
    Known(
        'foreign key constraint "%s" cannot be implemented',
        ("constraint",),
        ErrorKind.CANNOT_IMPLEMENT,
        sqlstate="42804",
    ),
    Known(
        'there is no unique constraint matching given keys for referenced table "%s"',
        ("parent_table",),
        ErrorKind.NO_UNIQUE,
        sqlstate="42830",
    ),
    *(
        Known(text, ("parent_table",), ErrorKind.NO_UNIQUE, Topic.DEFERRABLE_UNIQUE, "55000")
        for text in (
            'cannot use a deferrable unique constraint for referenced table "%s"',
            'cannot use a deferrable primary key for referenced table "%s"',
        )
    ),
    *_other(
        Topic.NO_PRIMARY_KEY,
        "42704",
        'there is no primary key for referenced table "%s"',
        names=("parent_table",),
    ),
    *_other(Topic.ARITY, "42830", "number of referencing and referenced columns for foreign key disagree"),
    *_other(Topic.PARENT_NOT_TABLE, "42809", 'referenced relation "%s" is not a table', names=("parent_table",)),
    *_other(Topic.PARENT_NOT_TABLE, "0A000", "foreign key constraints are not supported on foreign tables"),
    *_other(
        Topic.PERSISTENCE,
        "42P16",
        "constraints on permanent tables may reference only permanent tables",
        "constraints on unlogged tables may reference only permanent or unlogged tables",
        "constraints on temporary tables may reference only temporary tables",
        "constraints on temporary tables must involve temporary tables of this session",
    ),
    *_other(Topic.TRUNCATE_REFERENCED, "0A000", "cannot truncate a table referenced in a foreign key constraint"),
    *_other(
        Topic.COLUMN_MISSING,
        "42703",
        'column "%s" referenced in foreign key constraint does not exist',
        names=("column",),
    ),
    *_other(
        Topic.RELATION_MISSING,
        "42P01",
        'relation "%s.%s" does not exist',
        names=("parent_schema", "parent_table"),
    ),
    *_other(Topic.RELATION_MISSING, "42P01", 'relation "%s" does not exist', names=("parent_table",)),
    *_other(
        Topic.ALREADY_EXISTS,
        "42710",
        'constraint "%s" for relation "%s" already exists',
        names=("constraint", "child_table"),
    ),
    *_other(Topic.ALREADY_EXISTS, "42P07", 'relation "%s" already exists'),
    *_other(Topic.ALREADY_EXISTS, "42710", 'type "%s" already exists'),
    *_other(
        Topic.ALREADY_EXISTS,
        "23505",
        'duplicate key value violates unique constraint "%s"',
        names=("constraint",),
    ),
    *_other(
        Topic.DROP_DEPENDENT,
        "2BP01",
        "cannot drop %s because other objects depend on it",
        "cannot drop desired object(s) because other objects depend on them",
        names=("dropped",),
    ),
    *_other(
        Topic.PERMISSION,
        "42501",
        "permission denied for table %s",
        "permission denied for relation %s",
        "must be owner of table %s",
        "must be owner of relation %s",
        'permission denied: "%s" is a system trigger',
        'query would be affected by row-level security policy for table "%s"',
        'new row violates row-level security policy for table "%s"',
    ),
    *_other(Topic.PERMISSION, "42501", "permission denied for schema %s", names=("child_schema",)),
    *_other(
        Topic.NOT_FK,
        "23502",
        'null value in column "%s" of relation "%s" violates not-null constraint',
        'null value in column "%s" violates not-null constraint',
        names=("column", "child_table"),
    ),
    *_other(
        Topic.NOT_FK,
        "23514",
        'new row for relation "%s" violates check constraint "%s"',
        names=("child_table", "constraint"),
    ),
)
"""Primary messages, of those that share a beginning the longer one first."""

KEY_PARENT = ("columns", "values", "parent_table")
KEY_CHILD = ("columns", "values", "child_table")
_TYPES = ("column", "parent_column", "child_type", "parent_type")

DETAILS: tuple[Known, ...] = (
    Known('Key (%s)=(%s) is not present in table "%s".', KEY_PARENT, _MISSING),
    Known('Key (%s)=(%s) is still referenced from table "%s".', KEY_CHILD, _STILL),
    Known('Key (%s)=(%s) is referenced from table "%s".', KEY_CHILD, _STILL),
    Known('Key is not present in table "%s".', ("parent_table",), _MISSING),
    Known('Key is still referenced from table "%s".', ("child_table",), _STILL),
    Known('Key is referenced from table "%s".', ("child_table",), _STILL),
    Known("MATCH FULL does not allow mixing of null and nonnull key values.", (), _MISSING, Topic.MATCH_FULL_NULLS),
    Known(
        'Key columns "%s" of the referencing table and "%s" of the referenced table '
        "are of incompatible types: %s and %s.",
        _TYPES,
        ErrorKind.CANNOT_IMPLEMENT,
    ),
    Known('Key columns "%s" and "%s" are of incompatible types: %s and %s.', _TYPES, ErrorKind.CANNOT_IMPLEMENT),
    Known(
        'Key columns "%s" of the referencing table and "%s" of the referenced table '
        'have incompatible collations: "%s" and "%s".  '
        "If either collation is nondeterministic, then both collations have to be the same.",
        ("column", "parent_column", "", ""),
        ErrorKind.CANNOT_IMPLEMENT,
        sqlstate="42P21",
    ),
    Known('Table "%s" references "%s".', ("child_table", "parent_table"), topic=Topic.TRUNCATE_REFERENCED),
    Known("Key (%s)=(%s) already exists.", ("columns", "values"), topic=Topic.ALREADY_EXISTS),
)

DEPENDS = "%s depends on %s"
"""A line of the DETAIL of 2BP01; both are descriptions of objects, made of the two that follow."""
CONSTRAINT_ON = "constraint %s on %s"
TABLE = "table %s"

LABELS = ("DETAIL", "HINT", "QUERY", "CONTEXT", "STATEMENT", "LOCATION")
"""What a server's log and its clients write before the parts of a message (elog.c, libpq's fe-protocol3.c)."""
FIELDS = ("SCHEMA NAME", "TABLE NAME", "COLUMN NAME", "DATATYPE NAME", "CONSTRAINT NAME")
"""What clients write before the fields of a message where they are verbose."""
SEVERITIES = ("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC")
AT_CHARACTER = " at character %d"
"""What a server's log puts after a primary message."""
