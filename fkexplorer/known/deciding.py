"""What somebody decides of a pair of columns: written into the project's configuration, and read again from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.config.edit import link, reject, unlink, unreject
from fkexplorer.config.settings import settings_again
from fkexplorer.known.bind import means, of_all
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.config.settings import Settings
    from fkexplorer.schema.model import Relationship, Schema


def accepted(
    schema: Schema, settings: Settings, edge: Relationship, reason: str, environ: Mapping[str, str]
) -> Settings:
    """Note a guess, or a pair that was made by hand, as a relationship; it is rejected no longer.

    Args:
        schema: the catalogue.
        settings: what is configured until now; `settings.file` is written.
        edge: the pair; not a declared one.
        reason: why, in somebody's words; may be empty.
        environ: the environment variables.

    Returns:
        What is configured now; the catalogue has to be read again with it.

    Raises:
        Trouble: the file cannot be read or written (`no_config`), or is wrong (`bad_config`).
    """
    unreject(settings.file, lambda text: means(schema, text, edge.oid, of_all(edge)))
    link(settings.file, edge_label(schema, edge), reason)
    return settings_again(settings, environ)


def rejected(
    schema: Schema, settings: Settings, edge: Relationship, reason: str, environ: Mapping[str, str]
) -> Settings:
    """Note that a guess is not to be shown again, and is no relationship; the rest as of `accepted`."""
    unlink(settings.file, lambda text: means(schema, text, edge.oid))
    reject(settings.file, edge_label(schema, edge), reason)
    return settings_again(settings, environ)


def forgotten(schema: Schema, settings: Settings, edge: Relationship, environ: Mapping[str, str]) -> Settings:
    """Take back whatever was decided of a pair; the rest as of `accepted`."""
    unlink(settings.file, lambda text: means(schema, text, edge.oid))
    unreject(settings.file, lambda text: means(schema, text, edge.oid, of_all(edge)))
    return settings_again(settings, environ)
