r"""Text as psql reads it: comments, words for its user, and guards that end a script.

A name or a value from the database must not leave the place that it stands in: a comment is one line, and a word of
`\echo` is quoted as psql quotes, where a backslash escapes and a backquote outside of quotes would start a program.
"""

from __future__ import annotations

from fkexplorer.database.lines import one_line
from fkexplorer.fixes import sql


def comment(*lines: str) -> list[str]:
    """Each of them as a line of comment; blanks at its beginning stay."""
    return [f"-- {' ' * (len(line) - len(line.lstrip(' ')))}{one_line(line)}".rstrip() for line in lines]


def echo(text: str, *variables: str) -> str:
    r"""Prints a line; the variables' values follow the text."""
    return " ".join(["\\echo", quoted(text), *(f":{name}" for name in variables)])


def macro(name: str, text: str) -> str:
    """Keeps a piece of SQL in a variable, to be written as `:name`; psql reads variables in it where it is used."""
    return f"\\set {name} '" + text.replace("\n", " ").replace("\\", "\\\\").replace("'", "''") + "'"


def quoted(text: str) -> str:
    """A word of a backslash command."""
    return "'" + one_line(text).replace("\\", "\\\\").replace("'", "''") + "'"


def guard(bad: str, words: str, *values: str, over: str = "") -> list[str]:
    """Ends the script, and with it the transaction, where something is not as it has to be.

    The search_path is empty then, and what stays as it was is said by the variable `fk_stays`.

    Args:
        bad: an SQL condition that says so.
        words: what is said then, with `%s` for each value.
        values: SQL expressions.
        over: the FROM, and what follows it, of the condition and the values.
    """
    said = f"format({', '.join([sql.literal(one_line(f'fkexplorer: {words}')), *values])}) || :'fk_stays'"
    return [
        f"SELECT {bad} AS fk_bad,",
        f" set_config('fkexplorer.words', {said}, true) AS fk_words{over and chr(10)}{over} \\gset",
        "\\if :fk_bad",
        "  :fk_abort",
        "\\endif",
    ]


def percent(text: str) -> str:
    """A name as it stands in the words of `guard`."""
    return text.replace("%", "%%")


ABORT = macro(
    "fk_abort",
    "DO $fk$ BEGIN RAISE EXCEPTION USING MESSAGE = pg_catalog.current_setting('fkexplorer.words'); END $fk$;",
)
"""What `guard` runs; a script has it once, at its beginning."""


def folder() -> list[str]:
    """Makes a new private folder where the script runs, unless there is one already: its name is in `fk_folder`."""
    return [
        "\\if :{?fk_folder}",
        "\\else",
        '  \\set fk_folder `mktemp -d "./fkexplorer-backup-$(date -u +%Y%m%dT%H%M%SZ)-XXXXXX"`',
        "\\endif",
        *(f"  {line}" for line in guard(":'fk_folder' = ''", "no folder could be made here for the backup")),
    ]


def synced() -> str:
    """Sees to it that the files of the backup are on the disk."""
    return "\\set fk_synced `sync :'fk_folder'/* :'fk_folder' || sync`"
