"""Where the credentials of carriers and engines come from."""

from __future__ import annotations

import os

from voicepipe.errors import SettingsError


def from_environment(field: str, given: str, variable: str) -> str:
    """Return a credential, from the environment if it was not given.

    Raises:
        SettingsError: It is in neither; the error names both ways.
    """
    value = given or os.environ.get(variable, "")
    if not value:
        raise SettingsError(field, f"is missing: pass it, or set {variable}")
    return value
