"""Markup that a bot answers with, as far as a carrier has to read it here."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from voicepipe.errors import CallNotTakenError

_LONGEST = 100_000


def read_markup(markup: str) -> Element:
    """Return the element that all others are in.

    Raises:
        CallNotTakenError: It is no markup.
    """
    # An entity that is made of entities grows without end; carriers' markup has none.
    if len(markup) > _LONGEST or "<!DOCTYPE" in markup or "<!ENTITY" in markup:
        raise CallNotTakenError("the bot's answer to the webhook is no markup that a carrier takes")
    try:
        return ElementTree.fromstring(markup)
    except ElementTree.ParseError:
        raise CallNotTakenError(
            "the bot's answer to the webhook is not XML: a <Response> would be right"
        ) from None


def wants_of(root: Element) -> str:
    """Return in a few words what markup without a stream is for."""
    tags = [f"<{element.tag}>" for element in root]
    refusal = next((element for element in root if element.tag in ("Reject", "Hangup")), None)
    if refusal is not None:
        return f"the bot refused the call ({refusal.get('reason', 'without a reason')})"
    return f"the bot's markup opens no media stream, it has {', '.join(tags) or 'nothing'}"
