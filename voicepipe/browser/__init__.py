"""A page on this machine where a person talks with a bot over WebRTC, and sees what goes on meanwhile.

Importing it raises `MissingExtraError` where the extra "browser" is not installed.
"""

from voicepipe.bots import Bot
from voicepipe.browser.doors import Doors
from voicepipe.browser.server import About, BrowserServer

__all__ = ["About", "Bot", "BrowserServer", "Doors"]
