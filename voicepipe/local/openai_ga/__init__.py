"""The server's side of the OpenAI Realtime GA wire.

`session` is the protocol, without I/O; `driver` lets it run: ears, brain, voice, pace and faults; the other files are the
protocol's parts. `voicepipe.local.server` is the socket around it.
"""
