"""Webhooks as the carriers sign them, checked with their own packages, and what bots' answers and requests mean. No I/O."""

from __future__ import annotations

from base64 import b64decode

import orjson
import plivo.utils
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from twilio.request_validator import RequestValidator

from voicepipe.errors import CallNotTakenError, SettingsError
from voicepipe.local.carriers import Asked, Stream, new_telnyx_keys, secret_from_environment
from voicepipe.local.carriers.exchange import HandOn, HangUp, NoStream
from voicepipe.local.carriers.plivo_exchange import PlivoExchange
from voicepipe.local.carriers.telnyx_exchange import TelnyxExchange
from voicepipe.local.carriers.twilio_exchange import TwilioExchange

URLS = ["https://bot.example.com/x/voice", "http://127.0.0.1:8000/x/voice?call=a1&leg=human"]
FIELDS = [{}, {"To": "+15550001111", "CallSid": "CA1", "Ä": "ö & ü"}]
SECRET = "a-secret-of-the-tests"
KEYS = new_telnyx_keys()
CALL = "CA" + "0" * 32


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("fields", FIELDS)
class TestSignatures:
    def test_twilios_own_package_takes_it(self, url, fields):
        body, headers = TwilioExchange(SECRET).signed(url, fields)
        signature = headers["X-Twilio-Signature"]
        assert RequestValidator(SECRET).validate(url, fields, signature)
        assert not RequestValidator("another").validate(url, fields, signature)
        assert SECRET.encode() not in body

    def test_plivos_own_package_takes_it(self, url, fields):
        _, headers = PlivoExchange(SECRET).signed(url, fields)
        signature, nonce = headers["X-Plivo-Signature-V3"], headers["X-Plivo-Signature-V3-Nonce"]
        validate = plivo.utils.validate_v3_signature
        assert validate("POST", url, nonce, SECRET, signature, fields)
        assert not validate("POST", url, nonce, "another", signature, fields)

    def test_telnyxs_public_key_takes_it(self, url, fields):
        body, headers = TelnyxExchange(KEYS.private).signed(url, fields, at_secs=1_700_000_000.7)
        assert headers["telnyx-timestamp"] == "1700000000"
        public = Ed25519PublicKey.from_public_bytes(b64decode(KEYS.public))
        signature = b64decode(headers["telnyx-signature-ed25519"])
        public.verify(signature, b"1700000000|" + body)
        with pytest.raises(InvalidSignature):
            public.verify(signature, b"1700000001|" + body)


class TestKeys:
    @pytest.mark.parametrize(
        ("carrier", "variable"),
        [
            ("twilio", "TWILIO_AUTH_TOKEN"),
            ("telnyx", "TELNYX_PRIVATE_KEY"),
            ("plivo", "PLIVO_AUTH_TOKEN"),
        ],
    )
    def test_they_are_the_environments_and_a_missing_one_is_named(self, carrier, variable, monkeypatch):
        monkeypatch.setenv(variable, "x")
        assert secret_from_environment(carrier) == "x"
        monkeypatch.delenv(variable)
        with pytest.raises(SettingsError, match=f"{variable}: is not set"):
            secret_from_environment(carrier)

    def test_a_carrier_that_there_is_not_is_named(self):
        with pytest.raises(SettingsError, match="carrier: 'vonage'"):
            secret_from_environment("vonage")

    @pytest.mark.parametrize("wrong", ["x", "ä", "AAAA"])
    def test_a_private_key_that_is_none_is_refused(self, wrong):
        with pytest.raises(SettingsError, match="TELNYX_PRIVATE_KEY: is no Ed25519 key"):
            TelnyxExchange(wrong)

    def test_a_pair_does_not_show_its_private_half(self):
        assert KEYS.private not in repr(KEYS)


TWO_WAYS = 'bidirectional="true" keepCallAlive="true"'


@pytest.mark.parametrize(
    ("exchange", "markup", "found"),
    [
        (
            TwilioExchange(SECRET),
            '<Response><Say>Hi</Say><Connect><Stream url="wss://b/m"><Parameter name="t" value="1"/></Stream></Connect>'
            "</Response>",
            Stream("wss://b/m", {"t": "1"}),
        ),
        (
            TwilioExchange(SECRET),
            '<Response><Reject reason="busy"/></Response>',
            NoStream("the bot refused the call (busy)"),
        ),
        (
            TwilioExchange(SECRET),
            '<Response><Start><Stream url="wss://b/m"/></Start><Say>Hi</Say></Response>',
            NoStream("the bot's markup opens no media stream, it has <Start>, <Say>"),
        ),
        (
            PlivoExchange(SECRET),
            f'<Response><Stream {TWO_WAYS} extraHeaders="t=1,u=2">wss://b/m?a=1&amp;b=2</Stream></Response>',
            Stream("wss://b/m?a=1&b=2", {"t": "1", "u": "2"}),
        ),
        (
            PlivoExchange(SECRET),
            '<Response><Hangup reason="busy"/></Response>',
            NoStream("the bot refused the call (busy)"),
        ),
    ],
)
def test_the_stream_is_found_in_markup(exchange, markup, found):
    assert exchange.stream_in(markup, []) == found


@pytest.mark.parametrize(
    ("exchange", "markup", "said"),
    [
        (TwilioExchange(SECRET), "Hello", "is not XML"),
        (
            TwilioExchange(SECRET),
            '<!DOCTYPE x [<!ENTITY a "b">]><Response/>',
            "no markup that a carrier takes",
        ),
        (TwilioExchange(SECRET), "<Response><Connect><Stream/></Connect></Response>", "has no url"),
        (PlivoExchange(SECRET), "<Response><Stream>wss://b/m</Stream></Response>", "no bidirectional"),
        (
            PlivoExchange(SECRET),
            '<Response><Stream bidirectional="true">wss://b/m</Stream></Response>',
            "no keepCallAlive",
        ),
    ],
)
def test_markup_that_no_bot_can_talk_with_says_why(exchange, markup, said):
    with pytest.raises(CallNotTakenError, match=said):
        exchange.stream_in(markup, [])


def asked(path, method="POST", **fields):
    return Asked(method, path, fields)


def test_telnyxs_stream_is_in_the_command_to_answer_or_after_it():
    exchange = TelnyxExchange(KEYS.private)
    both = {"stream_url": "wss://b/m", "stream_bidirectional_mode": "rtp"}
    named = [{"name": "t", "value": "1"}]
    plain = asked("/v2/calls/v3:1/actions/answer")
    assert exchange.stream_in("", []) is None
    assert exchange.stream_in("", [plain]) is None
    opens = asked("/v2/calls/v3:1/actions/streaming_start", **both, custom_parameters=named)
    assert exchange.stream_in("", [plain, opens]) == Stream("wss://b/m", {"t": "1"})
    busy = asked("/v2/calls/v3:1/actions/reject", cause="USER_BUSY")
    assert exchange.stream_in("", [busy]) == NoStream("the bot refused the call (USER_BUSY)")
    with pytest.raises(CallNotTakenError, match="stream_bidirectional_mode"):
        exchange.stream_in("", [asked("/v2/calls/v3:1/actions/answer", stream_url="wss://b/m")])


DIAL = "<Response><Dial><Number>+1555</Number></Dial></Response>"


@pytest.mark.parametrize(
    ("exchange", "request_", "command"),
    [
        (TwilioExchange(SECRET), asked(f"/x/Calls/{CALL}.json", Status="completed"), HangUp(CALL)),
        (TwilioExchange(SECRET), asked(f"/x/Calls/{CALL}.json", Twiml=DIAL), HandOn(CALL, "+1555")),
        (TwilioExchange(SECRET), asked(f"/x/Calls/{CALL}.json", Url="https://b/t"), HandOn(CALL)),
        (TwilioExchange(SECRET), asked(f"/x/Calls/{CALL}.json", "GET"), None),
        (TwilioExchange(SECRET), asked(f"/x/Calls/{CALL}/Recordings.json"), None),
        (TelnyxExchange(KEYS.private), asked("/v2/calls/v3:1/actions/hangup"), HangUp("v3:1")),
        (
            TelnyxExchange(KEYS.private),
            asked("/v2/calls/v3:1/actions/transfer", to="+1"),
            HandOn("v3:1", "+1"),
        ),
        (TelnyxExchange(KEYS.private), asked("/v2/calls/v3:1/actions/streaming_stop"), HandOn("v3:1")),
        (TelnyxExchange(KEYS.private), asked("/v2/calls/v3:1/actions/speak"), None),
        (PlivoExchange(SECRET), asked("/v1/Account/MA/Call/u-1/", "DELETE"), HangUp("u-1")),
        (PlivoExchange(SECRET), asked("/v1/Account/MA/Call/u-1/", aleg_url="https://b"), HandOn("u-1")),
        (PlivoExchange(SECRET), asked("/v1/Account/MA/Call/u-1/Record/"), None),
    ],
)
def test_what_a_request_does_with_a_call(exchange, request_, command):
    assert exchange.command(request_) == command


@pytest.mark.parametrize(
    "exchange", [TwilioExchange(SECRET), TelnyxExchange(KEYS.private), PlivoExchange(SECRET)]
)
def test_no_two_calls_have_one_id_and_none_was_placed(exchange):
    assert exchange.new_call_id() != exchange.new_call_id()
    with pytest.raises(LookupError, match="placed no call"):
        exchange.picked_up()


def test_telnyx_tells_the_end_where_it_told_the_beginning():
    _, headers = TelnyxExchange(KEYS.private).signed("", {})
    assert "telnyx-signature-ed25519" in headers
    ended = TelnyxExchange(KEYS.private).ended("v3:1")
    assert ended is not None
    assert orjson.loads(orjson.dumps(ended))["data"]["event_type"] == "call.hangup"
