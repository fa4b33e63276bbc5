"""What a provider has to say about its wire, as a plain object without I/O.

A session never awaits, opens nothing and reads no clock. Each call returns what follows from it: messages for the wire and
happenings, in order. Whoever calls it (the service, a test) sends the ones and acts on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import Output

if TYPE_CHECKING:
    from voicepipe.realtime.history import History

Role = Literal["system", "user", "assistant"]
Detail = Literal["auto", "low", "high"]


class Session(Protocol):
    """One conversation with a realtime API, from the socket's opening to its end."""

    @property
    def input_sample_rate(self) -> int:
        """The rate of the sound that `append_audio` takes, in hertz."""
        ...

    @property
    def output_sample_rate(self) -> int:
        """The rate of the sound in `AudioChunk`, in hertz."""
        ...

    @property
    def server_decides_turns(self) -> bool:
        """Whether the server finds the user's turns; if not, the client commits them."""
        ...

    def open(self) -> list[Output]:
        """Return what to send once the socket is open."""
        ...

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one message from the wire. Whatever it holds, nothing is raised."""
        ...

    def append_audio(self, pcm: bytes) -> list[Output]:
        """Take sound of the user: s16le mono at `input_sample_rate`. What comes too early waits, bounded."""
        ...

    @property
    def wants_answers(self) -> bool:
        """Whether a turn of the user's is to be answered without anybody asking for it."""
        ...

    @property
    def transcribes(self) -> bool:
        """Whether the user's words will be told."""
        ...

    @property
    def speaks(self) -> bool:
        """Whether answers come as sound; if not, they are text for a voice further down the pipeline."""
        ...

    @property
    def is_responding(self) -> bool:
        """Whether a response runs or was asked for."""
        ...

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way: nobody speaks, no response runs or is wanted, no function call is open."""
        ...

    @property
    def history(self) -> History:
        """The conversation so far, which a new connection is told."""
        ...

    def commit(self) -> list[Output]:
        """End the user's turn, where the client decides turns; nothing if there is too little sound to be a turn."""
        ...

    def restart_turn(self, onset_ms: int) -> list[Output]:
        """Begin the user's turn, where the client decides turns: forget the sound before it.

        Args:
            onset_ms: How much of the newest sound belongs to the turn, since it was heard before the turn was found.
        """
        ...

    def clear_audio(self) -> list[Output]:
        """Throw away sound of the user that is not committed yet."""
        ...

    def interrupt(self, heard: Sequence[Heard]) -> list[Output]:
        """Stop the response that runs and leave in history what was heard of it.

        Args:
            heard: For each item whose sound went out, how much of it was played.
        """
        ...

    def update(self, changes: Mapping[str, Any]) -> list[Output]:
        """Change settings: only what `changes` names, at any depth.

        A change that cannot be made gives a `Failure` that names the field, changes nothing and sends nothing.
        """
        ...

    def add_message(self, role: Role, text: str) -> list[Output]:
        """Put a message into the conversation, without asking for an answer."""
        ...

    def add_image(self, data_uri: str, *, detail: Detail = "auto", text: str = "") -> list[Output]:
        """Put an image into the conversation, without asking for an answer.

        Args:
            data_uri: A PNG or JPEG as `data:image/...;base64,...`.
            detail: How closely the model looks at it.
            text: Words that go with it.
        """
        ...

    def send_tool_result(self, call_id: str, output: str, *, respond: bool = True) -> list[Output]:
        """Answer a function call; once all calls of its response are answered, one response follows.

        Args:
            call_id: The call.
            output: What the function gave, as text (JSON).
            respond: Whether the model should speak to it. A response follows if that holds for any of the calls.
        """
        ...

    def create_response(
        self, *, instructions: str | None = None, tool_choice: str | None = None
    ) -> list[Output]:
        """Ask for a response; while another one runs, this one waits for its end.

        Args:
            instructions: Instructions for this response alone, in place of the session's.
            tool_choice: Whether this response may call functions: `auto`, `none` or `required`.
        """
        ...

    def retrieve(self, item_id: str) -> list[Output]:
        """Ask for an item as the server has it; an `ItemRetrieved` follows."""
        ...

    def closed(self) -> list[Output]:
        """Take note that the connection is gone: what was open is finished.

        With the next `open` the conversation goes on: settings and history are told again, sound that was not answered is
        sent again (bounded), and what was wanted is wanted still.
        """
        ...

    def reset(self) -> list[Output]:
        """Forget the conversation, but not the settings; for a connection that is about to be replaced."""
        ...
