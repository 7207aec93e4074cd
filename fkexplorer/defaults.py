"""What an option is where the command line does not say it: `FKEXPLORER_NAME`, else what is configured."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, Any

from fkexplorer.arguments import Each
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.config.settings import Settings

PREFIX = "FKEXPLORER_"
_ELSEWHERE = frozenset({"help", "version", "database", "demo"})
"""Options that no variable stands for: the database has $DATABASE_URL."""
_WORDS = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}


def parse(
    parser: argparse.ArgumentParser, words: list[str], settings: Settings, environ: Mapping[str, str]
) -> argparse.Namespace:
    """Parse a command's arguments over what the environment says, over what is configured.

    Raises:
        Trouble: an argument or a variable is wrong.
    """
    configured = {**settings.limits, **settings.app}
    for action in _options(parser):
        text = environ.get(variable(action), "")
        if text:
            action.default = _value(action, text)
        elif action.dest in configured:
            action.default = configured[action.dest]
    return parser.parse_args(words)


def check_names(parsers: Iterable[argparse.ArgumentParser], environ: Mapping[str, str]) -> None:
    """Make sure that no variable is a misspelt one of these, which would be passed over in silence.

    Raises:
        Trouble: one is; the hint says which is meant.
    """
    known = {variable(action) for parser in parsers for action in _options(parser)}
    for name in environ:
        if name in (f"{PREFIX}DATABASE", f"{PREFIX}DEMO"):
            raise Trouble(f"${name} is no option's variable", "the database is named by $DATABASE_URL", code="usage")
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85) if name.startswith(PREFIX) else []
        if near and name not in known:
            raise Trouble(f"${name} is no option's variable", f"did you mean {near[0]}?", code="usage")


def variable(action: argparse.Action) -> str:
    """The variable that stands for an option."""
    longest = max(action.option_strings, key=len)
    return PREFIX + longest.lstrip("-").replace("-", "_").upper()


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    # argparse has no public list of them.
    return [
        action
        for action in parser._actions  # noqa: SLF001
        if action.option_strings and action.dest not in _ELSEWHERE
    ]


def _value(action: argparse.Action, text: str) -> Any:  # noqa: ANN401 - an option may be anything
    """The variable's text as the option takes it.

    Raises:
        Trouble: it is none of what the option takes.
    """
    name = variable(action)
    if action.nargs == 0:
        if text.lower() not in _WORDS:
            raise Trouble(f"${name} is {text!r}, neither on nor off", "write 1 or 0", code="usage")
        return _WORDS[text.lower()]
    try:
        value = action.type(text) if callable(action.type) else text
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise Trouble(f"${name}: {error}", "unset it, or write it as the option's --help says", code="usage") from None
    if action.choices is not None and value not in action.choices:
        raise Trouble(f"${name} is {text!r}", f"it may be {', '.join(map(str, action.choices))}", code="usage")
    return [value] if isinstance(action, Each) else value
