"""Which version this is."""

from __future__ import annotations


def version() -> str:
    """The installed distribution's version; `unknown` for a source tree that is not installed."""
    from importlib import metadata  # noqa: PLC0415 - 15 ms that only --version and a report need

    try:
        return metadata.version("fkexplorer")
    except metadata.PackageNotFoundError:
        return "unknown"
