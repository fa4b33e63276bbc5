"""The errors voicepipe raises: one root and a few leaves.

Bad settings are not here: pydantic's `ValidationError` already names the field and what would be right.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

FailureKind: TypeAlias = Literal[
    "authentication",  # the key is wrong or missing
    "quota",  # no credit, a billing limit
    "rate_limit",
    "model",  # no such model, or one this service cannot be used with
    "request",  # the server refused one message of ours
    "settings",  # a change of settings was refused, by us or by the server
    "expired",  # the session reached its longest duration
    "server",
    "protocol",  # a message we could not read
    "connection",
]
"""Of what sort a failure of a realtime API is."""


class VoicepipeError(Exception):
    """Anything voicepipe raises on its own account."""


class AudioFormatError(VoicepipeError, ValueError):
    """Sound that cannot be used as it is: not a WAV file, more than one channel, an impossible rate."""


class MissingExtraError(VoicepipeError, ImportError):
    """A part was used whose packages are not installed; the message says which extra brings them."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'voicepipe[{extra}]'")
        self.extra = extra


class PortTakenError(VoicepipeError, OSError):
    """A server's port is taken by another program."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} of {host} is taken by another program; choose another one")
        self.port = port


class ConnectionRefused(VoicepipeError):
    """A realtime server could not be reached or would not have us; the message says what it answered.

    Attributes:
        kind: Of what sort the reason is, in the words of `FailureKind`.
        retry_after: In how many seconds the server asks to be tried again; None if it said nothing of that.
        status: The HTTP status with which it refused the handshake; None if it did not get that far.
    """

    def __init__(
        self,
        message: str,
        kind: FailureKind = "connection",
        *,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.retry_after = retry_after
        self.status = status


class SettingsError(VoicepipeError, ValueError):
    """A change of settings that cannot be made; nothing was changed and nothing was sent."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class CarrierMessageError(VoicepipeError, ValueError):
    """A message of a telephone carrier that cannot be read; it says which field and what would be right."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class CarrierStreamError(VoicepipeError):
    """A carrier's media stream that cannot be used: it did not start, or its sound is coded in a way we do not know."""


class PhoneError(VoicepipeError):
    """A telephone call that cannot be placed, or something asked of one that it cannot do now; the message says why."""


class CarrierRefusedError(PhoneError):
    """A carrier's REST API did not do what it was asked; the message says what, and what it answered.

    Attributes:
        status: The HTTP status, 0 if there was no answer.
        code: The carrier's own code of the error, empty if it gave none.
    """

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class CallNotTakenError(VoicepipeError):
    """A bot did not take a call that a local carrier brought it; the message says what it did instead.

    Attributes:
        status: The HTTP status of its webhook, 0 if it was not reached or the call failed later.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class AudioDeviceError(VoicepipeError, OSError):
    """A microphone or a loudspeaker that cannot be used."""

    def __init__(self, device: str, why: str) -> None:
        super().__init__(f"{device}: {why}")
        self.device = device
