"""The errors voicepipe raises: one root and a few leaves.

Bad settings are not here: pydantic's `ValidationError` already names the field and what would be right.
"""


class VoicepipeError(Exception):
    """Anything voicepipe raises on its own account."""


class AudioFormatError(VoicepipeError, ValueError):
    """Sound that cannot be used as it is: not a WAV file, more than one channel, an impossible rate."""


class MissingExtraError(VoicepipeError, ImportError):
    """A part was used whose packages are not installed; the message says which extra brings them."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'voicepipe[{extra}]'")
        self.extra = extra


class ConnectionRefused(VoicepipeError):
    """A realtime server could not be reached or would not have us; the message says what it answered."""


class SettingsError(VoicepipeError, ValueError):
    """A change of settings that cannot be made; nothing was changed and nothing was sent."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
