"""What a carrier and a bot share, so that the bot knows whose webhooks come in: where it is found, and Telnyx's pairs.

Twilio and Plivo sign with the token of the account. Telnyx signs with a private key, of which the bot has the public half;
the local Telnyx signs with a private key of yours.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from voicepipe.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRETS: Final[Mapping[str, str]] = {
    "twilio": "TWILIO_AUTH_TOKEN",
    "telnyx": "TELNYX_PRIVATE_KEY",
    "plivo": "PLIVO_AUTH_TOKEN",
}
"""The variable that holds what each carrier signs with."""


@dataclass(frozen=True, slots=True)
class TelnyxKeys:
    """A pair of keys, base64 of 32 bytes each.

    Parameters:
        private: For the local carrier, as `TELNYX_PRIVATE_KEY`.
        public: For the bot, as `TELNYX_PUBLIC_KEY`.
    """

    private: str = field(repr=False)
    public: str


def secret_from_environment(carrier: str) -> str:
    """Return what a carrier signs with.

    Raises:
        SettingsError: There is no such carrier, or its variable is not set; the error names it.
    """
    if carrier not in SECRETS:
        raise SettingsError("carrier", f"{carrier!r} is none of {', '.join(SECRETS)}")
    variable = SECRETS[carrier]
    secret = os.environ.get(variable, "")
    if not secret:
        whose = "half of a pair whose TELNYX_PUBLIC_KEY" if carrier == "telnyx" else "the same that"
        raise SettingsError(
            variable, f"is not set: the local {carrier} signs its webhooks with it, {whose} the bot has"
        )
    return secret


def new_telnyx_keys() -> TelnyxKeys:
    """Return a new pair.

    Raises:
        MissingExtraError: The package that makes it is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ModuleNotFoundError:
        raise MissingExtraError("keys for Telnyx's webhooks", "phone") from None
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return TelnyxKeys(b64encode(key.private_bytes_raw()).decode(), b64encode(public).decode())


def public_half(private: str) -> str:
    """Return the public key of a private one, as a bot has it in `TELNYX_PUBLIC_KEY`. Raises what `telnyx_signer` does."""
    return b64encode(telnyx_signer(private).public_key().public_bytes_raw()).decode()


def telnyx_signer(private: str) -> Ed25519PrivateKey:
    """Return what signs with a private key.

    Raises:
        SettingsError: It is none.
        MissingExtraError: The package that signs is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ModuleNotFoundError:
        raise MissingExtraError("signing Telnyx's webhooks", "phone") from None
    try:
        return Ed25519PrivateKey.from_private_bytes(b64decode(private, validate=True))
    except (ValueError, binascii.Error):
        raise SettingsError(
            "TELNYX_PRIVATE_KEY", "is no Ed25519 key: base64 of 32 bytes would be right"
        ) from None
