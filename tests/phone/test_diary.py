"""What a call's record holds besides what was said: keys as the masking has it, blocked words, transfers, refusals."""

from __future__ import annotations

import sqlite3

import pytest

from tests.support.phones import CARRIERS, PERSON, FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.errors import CarrierRefusedError
from voicepipe.phone import Masking, OpenAIRealtime, guardrail
from voicepipe.phone.diary import Diary
from voicepipe.phone.masked import MaskedSink
from voicepipe.telemetry import CallNotes, Fault, ToolRun, Turn
from voicepipe.telemetry.records import RecordReader

CARD = "4111111111111111"
HIDDEN = "•••"


def diary(masking: Masking, written: list):
    return Diary(written.append, lambda: 7.0, masking.matcher())


def press(keys: str, masking: Masking) -> list[str]:
    """Press keys; returns every text that is written, in order."""
    written = []
    book = diary(masking, written)
    for key in keys:
        book.pressed(key)
    book.keys_end()
    return [event.text for event in written]


class TestKeys:
    def test_keys_are_masked_unless_the_settings_say_otherwise(self):
        assert press("15#", Masking()) == [HIDDEN]
        assert press("15#", Masking(keys=False)) == ["1", "15", "15#"]

    def test_keys_up_to_the_number_sign_are_one_event(self):
        written = []
        book = diary(Masking(keys=False), written)
        for key in "12#3":
            book.pressed(key)
        assert [(event.index, event.text) for event in written] == [
            (0, "1"),
            (0, "12"),
            (0, "12#"),
            (1, "3"),
        ]

    @pytest.mark.parametrize(
        "keys", [CARD, CARD + "#", "4111*1111*1111*1111", CARD + "1225", CARD[:13]], ids=str
    )
    @pytest.mark.parametrize("masking", [Masking(keys=False), Masking(keys=False, card_numbers=False)])
    def test_a_cards_digits_are_never_written_whatever_the_settings(self, keys, masking):
        written = press(keys, masking)
        assert written[-1] == HIDDEN
        assert max(len(text) for text in written) <= 6

    def test_a_longer_entry_is_written_when_it_is_complete(self):
        written = press("0123456789#", Masking(keys=False))
        assert written == ["0", "01", "012", "0123", "01234", "012345", HIDDEN, "0123456789#"]

    def test_patterns_of_ones_own_are_masked(self):
        assert press("9999#", Masking(keys=False, patterns=("9+",)))[-1] == f"{HIDDEN}#"

    def test_keys_that_the_bot_presses_are_masked_likewise(self):
        for masking, keys, shown in (
            (Masking(), "42", HIDDEN),
            (Masking(keys=False), "42", "42"),
            (Masking(keys=False), CARD, HIDDEN),
        ):
            written = []
            diary(masking, written).sent(keys)
            assert [(event.kind, event.text) for event in written] == [("keys_sent", shown)]


class Kept(CallNotes):
    """Keeps every state of every part."""

    def __init__(self):
        super().__init__()
        self.states = []

    def turn(self, turn):
        super().turn(turn)
        self.states.append(repr(turn))

    def tool(self, tool):
        super().tool(tool)
        self.states.append(repr(tool))

    def fault(self, fault):
        super().fault(fault)
        self.states.append(repr(fault))


class TestWords:
    def test_a_cards_number_is_never_written_while_it_is_being_said(self):
        kept = Kept()
        sink, turn = MaskedSink(kept, Masking().matcher()), Turn(0, 0.0)
        for digit in f"My number is {CARD}":
            turn.user_text += digit
            sink.turn(turn)
        turn.user_is_final = True
        sink.turn(turn)
        assert kept.turns[0].user_text == f"My number is {HIDDEN}"
        assert not [state for state in kept.states if CARD[:7] in state]

    def test_a_telephone_number_is_written_when_it_has_been_said(self):
        kept = Kept()
        sink, turn = MaskedSink(kept, Masking().matcher()), Turn(0, 0.0, bot_text="Call 555 123 4567")
        sink.turn(turn)
        assert kept.turns[0].bot_text == f"Call {HIDDEN}"
        turn.bot_stopped_ms = 1.0
        sink.turn(turn)
        assert kept.turns[0].bot_text == "Call 555 123 4567"
        assert turn.bot_text == "Call 555 123 4567"

    def test_what_functions_are_called_with_and_give_and_what_goes_wrong_is_masked(self):
        kept = Kept()
        sink = MaskedSink(kept, Masking(secrets=("open sesame",)).matcher())
        arguments = {"card": CARD, "number": int(CARD), "amount": 12.5, "password": "x"}
        sink.tool(ToolRun(0, 0, "t", "pay", arguments, 0.0, 1.0, {"paid": f"with {CARD}"}, "done"))
        sink.fault(Fault(0, 0.0, "open sesame was wrong", is_fatal=False))
        [tool] = kept.tools
        assert tool.arguments == {"card": HIDDEN, "number": HIDDEN, "amount": 12.5, "password": HIDDEN}
        assert tool.result == {"paid": f"with {HIDDEN}"}
        assert kept.faults[0].message == f"{HIDDEN} was wrong"
        assert arguments["card"] == CARD

    def test_without_masking_of_cards_words_are_as_they_were(self):
        kept = Kept()
        said = Turn(0, 0.0, f"It is {CARD}", user_is_final=True)
        MaskedSink(kept, Masking(card_numbers=False).matcher()).turn(said)
        assert kept.turns[0].user_text == f"It is {CARD}"


def engine(server):
    return OpenAIRealtime(api_key="k", base_url=server.url)


async def events_of(path, call) -> list[tuple[str, str, str]]:
    async with RecordReader.open(path) as reader:
        stored = await reader.call(call.id)
    return [(event["kind"], event["text"], event["detail"]) for event in stored.events]


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_of_a_call_are_in_its_record_and_a_cards_digits_nowhere_in_the_file(carrier, tmp_path):
    path = tmp_path / "calls.sqlite"
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone(records=path, masking=Masking(keys=False))
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.press("15#")
                await call.press(CARD + "#")
                await call.until_answered()
                [running] = phone.calls
                await running.send_dtmf("42")
            await running.result()
    assert await events_of(path, running) == [
        ("keys", "15#", ""),
        ("keys", HIDDEN, ""),
        ("keys_sent", "42", ""),
    ]
    for file in tmp_path.iterdir():
        assert CARD[:7].encode() not in file.read_bytes()


@pytest.mark.virtual_time
async def test_by_default_no_key_is_in_the_record(tmp_path):
    path = tmp_path / "calls.sqlite"
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(records=path)
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                # Long enough not to stand in a time of day by chance.
                await call.press("7391846205#")
                await call.until_answered()
                [running] = phone.calls
            await running.result()
    assert await events_of(path, running) == [("keys", HIDDEN, "")]
    with sqlite3.connect(path) as connection:
        assert "7391846205" not in "".join(connection.iterdump())
    connection.close()


@pytest.mark.virtual_time
async def test_blocked_words_are_in_the_record(tmp_path):
    path = tmp_path / "calls.sqlite"
    rails = [guardrail("no help", ["help"]), guardrail("no weather", ["weather"], applies_to="user")]
    async with tone_server() as server, FakeCarrier("telnyx") as far:
        phone = far.phone(records=path)
        agent = phone.agent(engine=engine(server), guardrails=rails)
        async with phone.serving(agent, port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                await call.say(spoken("weather"))
                await call.until_answered()
                [running] = phone.calls
            await running.result()
    assert await events_of(path, running) == [
        ("guardrail", "no help", "bot"),
        ("guardrail", "no weather", "user"),
    ]


@pytest.mark.virtual_time
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_refusals_of_the_carrier_and_transfers_are_in_the_record(carrier, tmp_path):
    path = tmp_path / "calls.sqlite"
    ends = {"twilio": ".json", "telnyx": "/actions/transfer", "plivo": "/"}
    async with tone_server() as server, FakeCarrier(carrier) as far:
        phone = far.phone(records=path)
        async with phone.serving(phone.agent(engine=engine(server)), port=0) as door:
            async with await far.call(door.local_url) as call:
                await call.say(spoken("hello"))
                await call.until_answered()
                [running] = phone.calls
                far.answers[ends[carrier]] = (400, {"message": "no such number", "code": 21211})
                with pytest.raises(CarrierRefusedError):
                    await running.transfer(PERSON)
                far.answers.clear()
                await running.transfer(PERSON)
                await call.until_ended()
            await running.result()
    refused, refusal, handed_on = await events_of(path, running)
    assert refused == ("transfer", f"cold to {PERSON}", "refused")
    assert (refusal[0], refusal[2]) == ("refusal", "21211")
    assert "status 400: no such number" in refusal[1]
    assert handed_on == ("transfer", f"cold to {PERSON}", "handed on")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_that_could_not_be_placed_has_the_carriers_words_in_its_record(carrier, tmp_path):
    path = tmp_path / "calls.sqlite"
    async with FakeCarrier(carrier) as far:
        phone = far.phone(records=path)
        agent = phone.agent(engine=OpenAIRealtime(api_key="k"))
        ends = {"twilio": "/Calls.json", "telnyx": "/calls", "plivo": "/Call/"}
        far.answers[ends[carrier]] = (403, {"message": "not verified", "code": "21219"})
        async with phone.serving(agent, port=0) as door:
            door.public_url = door.local_url
            with pytest.raises(CarrierRefusedError):
                await phone.call(PERSON)
    async with RecordReader.open(path) as reader:
        [row] = await reader.calls()
        [event] = (await reader.call(row["id"])).events
    assert (row["end_reason"], event["kind"], event["detail"]) == ("failed", "refusal", "21219")
    assert "not verified" in event["text"]
