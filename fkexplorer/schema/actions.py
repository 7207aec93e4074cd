"""The names of the fixes: what the panel lists, what `plan` takes, what a diagnosis suggests."""

from __future__ import annotations

from enum import StrEnum


class FixAction(StrEnum):
    """A fix of an edge, or of a pair of columns."""

    DELETE = "delete"
    SET_NULL = "set-null"
    SET_DEFAULT = "set-default"
    REPOINT = "repoint"
    INSERT_PARENTS = "insert-parents"
    BACKFILL = "backfill"
    QUARANTINE = "quarantine"
    ADD_CONSTRAINT = "add-constraint"
    VALIDATE = "validate"
    REVALIDATE = "revalidate"
    CHANGE_ON_DELETE = "change-on-delete"
    ENFORCE = "enforce"
    CREATE_INDEX = "create-index"
    CHANGE_TYPE = "change-type"
    ADD_UNIQUE = "add-unique"
    ENABLE_TRIGGERS = "enable-triggers"
    SYNC_TRIGGER = "sync-trigger"
