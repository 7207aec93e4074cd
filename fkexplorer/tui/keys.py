"""Every key of the app in one table: bindings, key line, help and command palette are all made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.binding import BindingType


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be done.

    Attributes:
        id: name in a keymap, as `edge.rows`.
        keys: Textual's names of the keys, separated by commas.
        shown: how people write them.
        action: the Textual action.
        label: a word or two, for the key line.
        tooltip: a sentence, for help and the palette.
        group: where it is bound: `list`, `columns`, `main` or `app`.
    """

    id: str
    keys: str
    shown: str
    action: str
    label: str
    tooltip: str
    group: str


KEYS: tuple[Key, ...] = (
    Key("list.down", "j,down", "j", "down", "down", "Next line.", "list"),
    Key("list.up", "k,up", "k", "up", "up", "Previous line.", "list"),
    Key("list.top", "g,home", "g", "top", "top", "First line.", "list"),
    Key("list.bottom", "G,end", "G", "bottom", "bottom", "Last line.", "list"),
    Key("list.page-down", "ctrl+d,pagedown", "PgDn", "page_down", "page", "A screen down.", "list"),
    Key("list.page-up", "ctrl+u,pageup", "PgUp", "page_up", "page up", "A screen up.", "list"),
    Key("list.choose", "enter", "Enter", "choose", "go", "Open what the cursor is on.", "list"),
    Key(
        "list.left",
        "h,left",
        "h",
        "left",
        "left",
        "The parents' side of the Lens; the column to the left in rows.",
        "columns",
    ),
    Key(
        "list.right",
        "l,right",
        "l",
        "right",
        "right",
        "The children's side of the Lens; the column to the right in rows.",
        "columns",
    ),
    Key("view.tables", "1", "1", "tables", "tables", "The table of tables.", "main"),
    Key("view.lens", "2", "2", "lens", "lens", "The Lens: parents, this table, children.", "main"),
    Key("rows.edge", "o", "o", "orphans", "rows", "Orphan rows of this foreign key.", "main"),
    Key(
        "rows.table",
        "O",
        "O",
        "table_orphans",
        "table's rows",
        "Rows of this table that break any of its foreign keys.",
        "main",
    ),
    Key(
        "rows.group",
        "v",
        "v",
        "group",
        "missing keys",
        "Group the orphans by the key they miss; again for rows.",
        "main",
    ),
    Key(
        "rows.mark",
        "space",
        "Space",
        "mark",
        "mark",
        "Mark an orphan row, or a missing key: the fixes are of what is marked.",
        "main",
    ),
    Key(
        "rows.childless",
        "b",
        "b",
        "childless",
        "childless",
        "Parents that no child row refers to, newest first.",
        "main",
    ),
    Key("rows.unmask", "M", "M", "unmask", "unmask", "Show or hide the values of secret columns.", "main"),
    Key("count.one", "r", "r", "recount", "recount", "Count this foreign key again, whatever it costs.", "main"),
    Key("count.all", "R", "R", "recount_all", "recount all", "Count everything again; reconnects if need be.", "main"),
    Key("count.stop", "full_stop", ".", "stop_count", "stop", "Stop the count of this foreign key.", "main"),
    Key("list.filter", "slash", "/", "filter", "filter", "Show only the lines that hold a text.", "main"),
    Key("list.match-next", "n", "n", "match(1)", "next match", "Next line that holds the filter's text.", "main"),
    Key("list.match-previous", "N", "N", "match(-1)", "previous match", "Previous line that holds it.", "main"),
    Key("find", "f", "f", "find", "find", "Find a table, column or constraint by a few of its letters.", "main"),
    Key(
        "problem.next",
        "right_curly_bracket",
        "}",
        "problem(1)",
        "next problem",
        "Next foreign key with a problem.",
        "main",
    ),
    Key(
        "problem.previous",
        "left_curly_bracket",
        "{",
        "problem(-1)",
        "previous problem",
        "Previous foreign key with a problem.",
        "main",
    ),
    Key(
        "problem.newest",
        "exclamation_mark",
        "!",
        "newest",
        "newest orphan",
        "The foreign key on which orphans appeared last, unseen ones first.",
        "main",
    ),
    Key("list.sort", "s", "s", "sort", "sort", "Sort again, worst first.", "main"),
    Key("lens.fold", "z", "z", "fold", "fold", "Show or fold the clean children of a hub.", "main"),
    Key("pane.zoom", "Z", "Z", "zoom", "zoom", "Give the pane the whole screen, and back.", "main"),
    Key("pane.next", "tab", "Tab", "pane(1)", "pane", "Next pane.", "main"),
    Key("pane.previous", "shift+tab", "Shift+Tab", "pane(-1)", "pane back", "Previous pane.", "main"),
    Key("pane.jump", "semicolon", ";", "jump", "jump", "Jump to a pane by its letter.", "main"),
    Key(
        "trail.back",
        "backspace,left_square_bracket",
        "Bksp",
        "back",
        "back",
        "Back along the trail of tables (also [).",
        "main",
    ),
    Key("trail.forward", "right_square_bracket", "]", "forward", "forward", "Forward along the trail.", "main"),
    Key("close", "escape", "Esc", "close", "close", "Close one layer; clear the filter, or the marks.", "main"),
    Key("copy.name", "y", "y", "copy_name", "copy", "Copy the name or the value under the cursor.", "main"),
    Key("copy.sql", "Y", "Y", "copy_sql", "copy SQL", "Copy the query that lists these orphans.", "main"),
    Key("fixes", "a", "a", "fixes", "fixes", "What can be done about this foreign key; a preview comes first.", "main"),
    Key(
        "link",
        "equals_sign",
        "=",
        "link",
        "link",
        "Link two columns that no constraint binds, or see what can be done about them.",
        "main",
    ),
    Key(
        "guesses", "I", "I", "guesses", "guesses", "Guess what nobody declared, and draw it dotted; or hide it.", "main"
    ),
    Key(
        "guess.accept",
        "plus",
        "+",
        "accept",
        "accept",
        "Accept the guess under the cursor; elsewhere the list of all guesses, with their reasons.",
        "main",
    ),
    Key(
        "guess.reject",
        "minus",
        "-",
        "reject",
        "reject",
        "Reject the guess under the cursor; take back what was linked or accepted.",
        "main",
    ),
    Key(
        "explain",
        "e",
        "e",
        "explain",
        "explain",
        "See the cause of an error: paste it (any paste opens this).",
        "main",
    ),
    Key("trace", "t", "t", "trace", "trace", "Where a value lives: the one under the cursor, or a typed one.", "main"),
    Key("impact", "x", "x", "impact", "impact", "What deleting this row, or the marked rows, would do.", "main"),
    Key("doctor", "d", "d", "doctor", "doctor", "What is wrong with this foreign key, and what mends it.", "main"),
    Key(
        "doctor.all",
        "D",
        "D",
        "doctor_all",
        "doctor of all",
        "What is wrong with any foreign key, worst first.",
        "main",
    ),
    Key("report", "w", "w", "report", "report", "Write the incident report of what was explained last.", "main"),
    Key("journal", "J", "J", "journal", "journal", "What was done from this machine, and its undo.", "main"),
    Key("write.arm", "W", "W", "arm", "arm writing", "Arm writing for ten minutes, or disarm it.", "main"),
    Key("bell", "B", "B", "toggle_bell", "bell", "Turn the bell off or on, which rings when orphans appear.", "main"),
    Key("help", "question_mark,f1", "?", "help", "help", "All keys, and what the badges mean.", "main"),
    Key("palette", "colon,ctrl+p", ":", "palette", "palette", "Command palette (also Ctrl+P).", "main"),
    Key("quit", "q", "q", "close_or_quit", "quit", "Close; in the table of tables: quit.", "main"),
    Key("stop", "ctrl+c", "Ctrl+C", "interrupt", "stop", "Stop the running read; twice: quit.", "app"),
    Key("redraw", "ctrl+l", "Ctrl+L", "redraw", "redraw", "Draw the screen again.", "app"),
)

BY_ACTION = {key.action: key for key in KEYS}


def bindings(*groups: str) -> list[BindingType]:
    """Textual's bindings for the keys of these groups, each with an id and a tooltip."""
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            tooltip=key.tooltip,
            id=key.id,
            show=False,
            key_display=key.shown,
            priority=key.group == "app",
        )
        for key in KEYS
        if key.group in groups
    ]
