"""The server's side of the ElevenLabs Conversational AI wire.

`session` is the protocol, without I/O; `driver` lets it run; `doors` says who is let in; `agent` is what is set elsewhere
in a dashboard; `server` is all that on 127.0.0.1.
"""

from voicepipe.local.elevenlabs.agent import Agent, ClientTool, EndCallTool, WebhookTool
from voicepipe.local.elevenlabs.pings import Patience
from voicepipe.local.elevenlabs.server import LocalElevenLabsServer

__all__ = ["Agent", "ClientTool", "EndCallTool", "LocalElevenLabsServer", "Patience", "WebhookTool"]
