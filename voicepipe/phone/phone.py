"""`Phone`: a number, a carrier, and what answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args

from voicepipe.collector import spare_calls
from voicepipe.errors import PhoneError, SettingsError
from voicepipe.phone.agent import Agent, agent_of
from voicepipe.phone.books import Books, terms_of
from voicepipe.phone.call import Call
from voicepipe.phone.carriers.contract import Carrier, DetectionMode
from voicepipe.phone.engines.engine import Part
from voicepipe.phone.guardrails import Guardrail
from voicepipe.phone.hooks import CallHooks, PhoneObserver
from voicepipe.phone.limits import PhoneLimits
from voicepipe.phone.numbers import checked_number
from voicepipe.phone.server import PhoneServer
from voicepipe.phone.stopping import until_signal
from voicepipe.phone.switchboard import AgentFactory, Caller, Switchboard, checked_agent, chosen
from voicepipe.phone.talk import PipelineObservers
from voicepipe.phone.watching import with_watch
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.watch import Watch

_CARRIERS: Final = "Twilio(), Telnyx() or Plivo()"
_DEFAULT_PORT: Final = 8000
_PORTS: Final = 65_536
_SPENT: Final = "I am sorry, I have to end our call here. Goodbye!"


class Phone:
    """A telephone number that a bot answers.

        phone = Phone(carrier=Twilio(), phone_number="+15550001234")
        agent = phone.agent(engine=OpenAIRealtime(voice="coral"), system_prompt="...", first_message="Hello!")
        await phone.serve(agent)

    Args:
        carrier: `Twilio()`, `Telnyx()` or `Plivo()`.
        phone_number: The number (E.164) that calls out, and whose webhook can be set.
        public_url: The address under which the carrier reaches the phone; `VOICEPIPE_PUBLIC_URL` if empty. If there is
            neither, the first webhook tells it; calling out needs it before.
        observers: Who is told of all calls, besides the agents' hooks.
        pipeline_observers: Gets each call when it begins, and returns Pipecat observers, which see every frame of it.
        pricing: Prices over those of `DEFAULT_PRICING`; see `merge_pricing`.
        spending_cap: What a call may cost in US dollars, as far as prices are known; then the bot says
            `spending_cap_message` and hangs up. None is no cap.
        spending_cap_message: What it says; empty hangs up without a word.
        records: Where every call is written down as it happens: a path, a URL, or True for what `VOICEPIPE_RECORDS` says or
            `~/.voicepipe/calls.sqlite`. None is nowhere.
        masking: What is not written there: card numbers and all keys that are pressed, unless it says otherwise.
        watch: Shows the calls while they go on, on a page at `/calls` of the phone's server; see `Watch`.

    Raises:
        SettingsError: There is no carrier, or an argument cannot be used; the error names it.
        MissingExtraError: There are to be records, and what keeps them is not installed.
    """

    def __init__(
        self,
        carrier: Carrier | None = None,
        phone_number: str = "",
        *,
        public_url: str = "",
        observers: Sequence[PhoneObserver] = (),
        pipeline_observers: PipelineObservers | None = None,
        pricing: Mapping[str, Any] | None = None,
        spending_cap: Decimal | float | str | None = None,
        spending_cap_message: str = _SPENT,
        records: str | Path | bool | None = None,
        masking: Masking | None = None,
        watch: Watch | None = None,
    ) -> None:
        if carrier is None:
            raise SettingsError("carrier", f"is missing: {_CARRIERS}")
        if isinstance(carrier, str | type):
            raise SettingsError("carrier", f"{carrier!r} is no account at a carrier: {_CARRIERS}")
        self.carrier = carrier
        """Whose number it is."""
        self.phone_number = checked_number("phone_number", phone_number) if phone_number else ""
        """The number."""
        self._public_url = public_url or os.environ.get("VOICEPIPE_PUBLIC_URL", "")
        self._observers = tuple(observers)
        self._pipeline_observers = with_watch(pipeline_observers, watch)
        self._watch = watch
        self._terms = terms_of(pricing, spending_cap, spending_cap_message, records, masking)
        self._agent: Agent | AgentFactory | None = None
        self._server: PhoneServer | None = None
        self._switchboard: Switchboard | None = None
        self._serves = asyncio.Event()

    def agent(
        self,
        *,
        engine: Any = None,
        system_prompt: str = "",
        first_message: str = "",
        tools: Sequence[Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        guardrails: Sequence[Guardrail] | None = None,
        hooks: CallHooks | None = None,
        voicemail_message: str = "",
        stt: Part | None = None,
        llm: Part | None = None,
        tts: Part | None = None,
        vad: Any = None,
        record: bool = False,
        max_call_secs: float | None = None,
        max_call_message: str = "",
    ) -> Agent:
        """Return an agent, which any number of calls can have.

        Args:
            engine: What hears and speaks: `OpenAIRealtime()`, `OpenAIRealtime2()`, `ElevenLabsConvAI()`, an adapter, or a
                realtime service of voicepipe or Pipecat: one that serves one call, or what makes one for each. With neither
                an engine nor `stt`, `llm` and `tts` it is `OpenAIRealtime()`.
            system_prompt: What it is to do, and how.
            first_message: What it says first; empty waits for the caller.
            tools: Functions with type hints and docstrings, `Tool`s, Pipecat's schemas with handlers; `end_call()` and
                `transfer_call(...)` are ready.
            variables: Put into the gaps `{name}` of the texts.
            guardrails: What must not be said, by the bot or the caller.
            hooks: Functions that are told what happens.
            voicemail_message: What is left on an answering machine when a call out finds one; empty hangs up.
            stt: Speech to text, for pipeline mode: a Pipecat service, or what makes one for each call.
            llm: The model of pipeline mode.
            tts: Text to speech of pipeline mode.
            vad: The voice activity analyzer of pipeline mode; None is Silero's.
            record: Whether the carrier records the call.
            max_call_secs: The longest a call may last, within the phone's own limit.
            max_call_message: What is said when it is over.

        Raises:
            SettingsError: An argument cannot be used; the error names it.
        """
        return agent_of(
            engine=engine,
            system_prompt=system_prompt,
            first_message=first_message,
            tools=tools,
            variables=variables,
            guardrails=guardrails,
            hooks=hooks,
            voicemail_message=voicemail_message,
            stt=stt,
            llm=llm,
            tts=tts,
            vad=vad,
            record=record,
            max_call_secs=max_call_secs,
            max_call_message=max_call_message,
        )

    async def serve(
        self,
        agent: Agent | AgentFactory | None = None,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        public_url: str = "",
        set_webhook: bool = False,
        limits: PhoneLimits | None = None,
        check_signatures: bool = True,
    ) -> None:
        """Answer calls until SIGINT, SIGTERM or a cancellation; calls that run may then end. See `serving`."""
        async with self.serving(
            agent,
            host=host,
            port=port,
            public_url=public_url,
            set_webhook=set_webhook,
            limits=limits,
            check_signatures=check_signatures,
        ):
            spare_calls()
            await until_signal()

    @asynccontextmanager
    async def serving(
        self,
        agent: Agent | AgentFactory | None = None,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        public_url: str = "",
        set_webhook: bool = False,
        limits: PhoneLimits | None = None,
        check_signatures: bool = True,
    ) -> AsyncGenerator[PhoneServer]:
        """Answer calls as long as it is entered.

        Args:
            agent: What talks in incoming calls, or a function, `async` or not, that gets a `Caller` and returns it. None
                has incoming calls hear the busy tone.
            host: Where to listen; a tunnel or a proxy with TLS stands before it.
            port: None is `PORT` of the environment, or 8000; 0 takes a free one.
            public_url: In place of the phone's own.
            set_webhook: Whether the carrier is told to bring calls of the number here.
            limits: Bounds.
            check_signatures: Whether webhooks have to be signed. Only tests on loopback have a reason to do without.

        Raises:
            PortTakenError: Another program has the port.
            PhoneError: The phone serves already.
            SettingsError: `agent`, `host`, `port` or `public_url` is none, the latter is missing, or webhooks cannot be
                checked.
            CarrierRefusedError: The webhook could not be set.
        """
        if self._switchboard is not None:
            raise PhoneError("the phone serves already")
        checked_agent(agent)
        bounds = limits or PhoneLimits()
        books = Books(self._terms)
        switchboard = Switchboard(
            self.carrier,
            agent,
            bounds,
            observers=self._observers,
            books=books,
            pipeline_observers=self._pipeline_observers,
        )
        server = PhoneServer(
            self.carrier,
            switchboard.webhook,
            host=host,
            port=_port(port),
            public_url=public_url or self._public_url,
            limits=bounds,
            checks_signatures=check_signatures,
            watch=self._watch,
        )
        self._switchboard = switchboard
        try:
            async with books, server, switchboard.on(server):
                self._agent, self._server = agent, server
                if set_webhook:
                    await self._set_webhook(server)
                self._serves.set()
                yield server
                await switchboard.drain(bounds.shutdown_secs)
        finally:
            self._agent = self._switchboard = self._server = None
            # Who waits meanwhile waits for the next time.
            self._serves.set()
            self._serves = asyncio.Event()

    async def call(
        self,
        to: str,
        agent: Agent | None = None,
        *,
        first_message: str = "",
        from_number: str = "",
        machine_detection: bool | DetectionMode = False,
        voicemail_message: str = "",
        ring_secs: int = 25,
    ) -> Call:
        """Call somebody, while the phone serves; return when the carrier has taken it.

            call = await phone.call("+15550005678", agent, machine_detection=True)
            print((await call.result()).outcome)

        Args:
            to: The number.
            agent: What talks; None is the one that serves.
            first_message: In place of the agent's own.
            from_number: In place of the phone's own.
            machine_detection: Whether the carrier is to find out if a machine answers: `fast` as soon as it can,
                when a message is left at once; `greeting_end` when a machine records. True is `greeting_end` if there is a
                message to leave.
            voicemail_message: In place of the agent's own.
            ring_secs: How long it may ring.

        Raises:
            SettingsError: A number or `machine_detection` is none, or there is no agent.
            PhoneError: The phone does not serve, or has as many calls as it may.
            CarrierRefusedError: The carrier does not place it.
        """
        checked_number("to", to)
        if machine_detection not in (True, False, *get_args(DetectionMode)):
            modes = ", ".join(map(repr, get_args(DetectionMode)))
            raise SettingsError("machine_detection", f"{machine_detection!r} is none of True, False, {modes}")
        switchboard = self._switchboard
        if switchboard is None:
            raise PhoneError(
                "the phone does not serve: the carrier would find nobody to connect the call with"
            )
        from_ = checked_number("from_number", from_number or self.phone_number)
        wanted = agent or self._agent
        if wanted is None:
            raise SettingsError("agent", "is missing")
        talks = await chosen(wanted, Caller(from_, to, "outbound"))
        talks = talks.with_first_message(first_message) if first_message else talks
        talks = talks.with_voicemail(voicemail_message) if voicemail_message else talks
        detection: DetectionMode | None = None
        if machine_detection is True:
            detection = "greeting_end" if talks.voicemail_message else "fast"
        elif machine_detection:
            detection = machine_detection
        return await switchboard.place(to, from_, talks, ring_secs, detection)

    @property
    def calls(self) -> Sequence[Call]:
        """The calls that run now."""
        return self._switchboard.calls if self._switchboard else ()

    async def until_serving(self) -> PhoneServer:
        """Wait until calls are answered, and return what answers them."""
        while self._server is None or not self._serves.is_set():
            await self._serves.wait()
        return self._server

    async def _set_webhook(self, server: PhoneServer) -> None:
        if not self.phone_number:
            raise SettingsError("phone_number", "is missing: which number is to bring its calls here?")
        await self.carrier.api(server.session).set_webhook(self.phone_number, server)


def _port(given: int | None) -> int:
    """Return the port to listen at.

    Raises:
        SettingsError: It is none.
    """
    if given is None:
        named = os.environ.get("PORT", "") or str(_DEFAULT_PORT)
        if not named.isdecimal():
            raise SettingsError("port", f"PORT is {named!r}, which is no port")
        given = int(named)
    if not 0 <= given < _PORTS:
        raise SettingsError("port", f"{given} is none of 0 to {_PORTS - 1}")
    return given
