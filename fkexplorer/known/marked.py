"""YAML whose mappings know their lines: what is wrong in a file of another program is told with its place.

Scalars are texts, all of them: a column may be called `no`, which is a boolean in one version of YAML.
"""

from __future__ import annotations

from typing import Any

import yaml

LINE = "\0line"
"""The key of each mapping's first line, counted from 1; no YAML has a key like it."""


def load(text: str) -> Any:  # noqa: ANN401 - a document may be anything
    """What a document holds, its mappings with their lines.

    Raises:
        ValueError: it is no YAML; the text says what is wrong, and on which line.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f" on line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"it is no YAML{line}: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is no YAML: {str(error).splitlines()[0]}") from None
    finally:
        loader.dispose()


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc] # libyaml is ten times as fast
    """A loader of lists, mappings and texts that notes lines."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - its own signature
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        found[LINE] = node.start_mark.line + 1
        return found


def mappings(value: object) -> list[dict[Any, Any]]:
    """The mappings of a list; what else it has, or is, is passed over."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: object) -> tuple[str, ...]:
    """The names of a list, or the one that it is."""
    given = value if isinstance(value, list) else [value]
    return tuple(each for each in given if isinstance(each, str) and each)
