"""`gpt-realtime-2` as an engine (seed S000). `Realtime2` and `OpenAIRealtime2` are the same class."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicepipe.phone.engines.openai import OpenAIRealtime


@dataclass(frozen=True)
class OpenAIRealtime2(OpenAIRealtime):
    """The same API as `OpenAIRealtime`, with the model that thinks.

    Parameters:
        model: `gpt-realtime-2`; another one only if it has the same wire.
    """

    model: str = "gpt-realtime-2"

    kind: str = field(default="openai_realtime_2", init=False, repr=False)


Realtime2 = OpenAIRealtime2
