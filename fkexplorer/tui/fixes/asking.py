"""What a fix has to be told: a few fields, named as the options of `fkexplorer plan` are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from fkexplorer.fixes.sync import sources
from fkexplorer.reports.values import inert
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import table_label
from fkexplorer.tui.fixes.searching import ParentField
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.planning import PlanOptions
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.fixes.searching import Finder
    from fkexplorer.tui.lines import LineList

SET = "set:"
"""Begins the name of a field that is the SQL of a column."""


_MADE = {
    FixAction.QUARANTINE: "the side table",
    FixAction.CREATE_INDEX: "the index",
    FixAction.ADD_UNIQUE: "the index",
    FixAction.ADD_CONSTRAINT: "the constraint",
    FixAction.SYNC_TRIGGER: "trigger and function",
}
"""What an action makes that has a name."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to be told; what is left empty is not told."""

    option: str
    """A field of `PlanOptions`, or `set:COLUMN`."""
    label: str
    parent: bool = False
    """It is the key of a parent that is there, which can be searched for."""


def _untold(value: str | None) -> str:
    """What a column of a twin gets where nothing is said of it."""
    if value is None:
        return ""
    return f"; empty: {value or 'its default'}"


def fields_for(schema: Schema, edge: Relationship, action: FixAction) -> list[Field]:  # noqa: PLR0911 - one for each
    """What an action may be told about this edge; nothing for one that needs no word."""
    parent = schema.parent_of(edge)
    key = ", ".join(pair.parent.name for pair in edge.pairs)
    taken = {pair.parent.number for pair in edge.pairs}
    columns = [column for column in parent.columns if column.number not in taken and not column.generated]
    needed = [column for column in columns if column.not_null and not (column.has_default or column.identity)]
    name = Field("name", f"the name of {_MADE.get(action, '')}; empty: one is made up")
    one_key = Field("key", f"one key alone ({key}); empty: all that are missing")
    match action:
        case FixAction.REPOINT:
            return [
                Field("to", f"the key in {table_label(parent)} ({key}) that all of them get", parent=True),
                Field("map", "or the path of a CSV file: old key, new key"),
            ]
        case FixAction.INSERT_PARENTS:
            return [
                *(Field(f"{SET}{column.name}", f"{column.name}, SQL of type {column.type_text}") for column in needed),
                one_key,
            ]
        case FixAction.BACKFILL:
            return [
                Field("source", "the table that has them, as schema.table"),
                Field("scope", "orphans, gap (all without a twin), or key; empty: orphans"),
                one_key,
                *(
                    Field(f"{SET}{column.name}", f"{column.name}, SQL with the source's row s; empty: its own")
                    for column in sorted(columns, key=lambda column: column not in needed)
                ),
            ]
        case FixAction.SYNC_TRIGGER:
            return [
                *(
                    Field(f"{SET}{column.name}", f"{column.name}, SQL with the new row s{_untold(value)}")
                    for column, value in sources(schema, edge)
                ),
                name,
            ]
        case FixAction.ADD_CONSTRAINT:
            return [name, Field("rule", "ON DELETE: cascade, set-null, …; empty: no-action")]
        case FixAction.DELETE | FixAction.SET_NULL:
            return _scope(edge)
        case FixAction.QUARANTINE:
            return [name, *_scope(edge)]
        case FixAction.CHANGE_TYPE:
            return [Field("side", "whose column changes, child or parent; empty: the child's")]
        case _:
            return [name] if action in _MADE else []


def _scope(edge: Relationship) -> list[Field]:
    """Where the columns can't be compared, which of two kinds of rows it is about."""
    if all(pair.equals for pair in edge.pairs):
        return []
    return [Field("scope", "uncastable: those alone that do not cast; empty: also those without a parent")]


def options_of(options: PlanOptions, values: Mapping[str, str]) -> PlanOptions:
    """The options with what was typed."""
    given = {name: value for name, value in values.items() if value}
    sets = tuple(f"{name.removeprefix(SET)}={value}" for name, value in given.items() if name.startswith(SET))
    others: dict[str, str] = {name: value for name, value in given.items() if not name.startswith(SET)}
    return replace(options, sets=sets, **others)  # type: ignore[arg-type]


class FieldsScreen(ModalScreen["dict[str, str] | None"]):
    """A few fields; Enter goes to the next, in the last one it gives them all. Esc gives nothing.

    Args:
        title: what it is for.
        fields: what is asked.
        find: finds parents for a field that wants one; raises Trouble.
        values: what some fields say before anything is typed, by their option.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel", id="fields.cancel", tooltip="Give it up."),
        Binding("ctrl+s", "go_on", "go on", id="fields.go_on", tooltip="Go on; what is empty is not told."),
    ]
    # Focused before it has a place, a field is scrolled to without the line above it, which says what it asks.
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    FieldsScreen { align: center middle; }
    FieldsScreen > VerticalScroll { width: 72; max-width: 96%; height: auto; max-height: 90%; padding: 1 2; }
    FieldsScreen > VerticalScroll { border: round $primary; background: $surface; }
    FieldsScreen.-ascii > VerticalScroll { border: ascii $primary; }
    FieldsScreen Input, FieldsScreen Input:focus { border: none; height: 1; background: $panel; margin: 0 0 1 0; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        find: Finder | None = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._values = values or {}
        self._find = find
        self._title = title
        self._fields = fields

    def compose(self) -> ComposeResult:
        """A label above each field."""
        ascii_only = painted(self.app).ascii_only
        self.set_class(ascii_only, "-ascii")
        with VerticalScroll(can_focus=False) as box:
            box.border_title = Content(inert(self._title, ascii=ascii_only))
            for field in self._fields:
                yield Static(Content(inert(field.label, ascii=ascii_only)))
                find = self._find if field.parent else None
                said = self._values.get(field.option, "")
                yield Input(said, select_on_focus=False) if find is None else ParentField(find)
            yield Static(Content("Enter: next field, after the last go on; Ctrl+S: at once. Esc gives up."))

    def on_mount(self) -> None:
        """Begin with what is not told yet."""
        inputs = list(self.query(Input))
        first = next((each for each in inputs if not each.value), inputs[0])
        first.focus(scroll_visible=first is not inputs[0])

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """One of what was found, by mouse."""
        if isinstance(field := event.lines.parent, ParentField):
            self._go_on(field.query_one(Input))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Next, or all of them."""
        self._go_on(event.input)

    def _go_on(self, last: Input) -> None:
        inputs = list(self.query(Input))
        at = inputs.index(last)
        if at + 1 < len(inputs) and not (isinstance(last.parent, ParentField) and last.parent.chosen):
            inputs[at + 1].focus()
        else:
            self.action_go_on()

    def action_go_on(self) -> None:
        """With all of them as they are; a parent that was chosen is all that there is to say."""
        values = {}
        for field, each in zip(self._fields, self.query(Input), strict=True):
            if isinstance(each.parent, ParentField) and (key := each.parent.chosen) is not None:
                values = {field.option: key}
                break
            values[field.option] = each.value
        self.dismiss(values)
