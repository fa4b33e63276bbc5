"""The carriers without I/O: credentials, signatures as the vendors' own packages make them, and what webhooks mean."""

from __future__ import annotations

import base64
import hashlib
import json
import time

import plivo.utils
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from voicepipe.errors import CarrierMessageError, SettingsError
from voicepipe.phone import Plivo, Telnyx, Twilio
from voicepipe.phone.carriers.contract import (
    GreetingEnded,
    IncomingCall,
    LegAnswered,
    MachineDetected,
    MarkupWanted,
    StatusChanged,
    SummarySaid,
    Webhook,
    WebhookRefusedError,
)
from voicepipe.phone.carriers.telnyx_api import state

KEY = Ed25519PrivateKey.from_private_bytes(b"0123456789abcdef0123456789abcdef")
CALL = "CA" + "1" * 32


def hook(kind="voice", url="https://bot.example.com/x", body=b"", headers=None, method="POST"):
    return Webhook(kind, method, url, headers or {}, body)


def form(**fields):
    from urllib.parse import urlencode

    return urlencode(fields).encode()


class TestCredentials:
    def test_s000_11_they_come_from_the_environment(self, monkeypatch):
        for name, value in {
            "TWILIO_ACCOUNT_SID": "AC1",
            "TWILIO_AUTH_TOKEN": "t",
            "TELNYX_API_KEY": "k",
            "TELNYX_CONNECTION_ID": "7",
            "PLIVO_AUTH_ID": "MA",
            "PLIVO_AUTH_TOKEN": "p",
        }.items():
            monkeypatch.setenv(name, value)
        assert (Twilio().account_sid, Twilio().auth_token) == ("AC1", "t")
        assert (Telnyx().api_key, Telnyx().connection_id) == ("k", "7")
        assert (Plivo().auth_id, Plivo().auth_token) == ("MA", "p")

    @pytest.mark.parametrize(
        ("make", "variable", "own"),
        [
            (lambda **given: Twilio("AC1", "t", **given), "TWILIO_API_URL", "https://api.twilio.com"),
            (lambda **given: Telnyx("k", **given), "TELNYX_API_URL", "https://api.telnyx.com"),
            (lambda **given: Plivo("MA", "p", **given), "PLIVO_API_URL", "https://api.plivo.com"),
        ],
    )
    def test_the_rest_api_is_where_it_is_said_or_the_carriers_own(self, make, variable, own, monkeypatch):
        monkeypatch.delenv(variable, raising=False)
        assert make().api_url == own
        monkeypatch.setenv(variable, "http://127.0.0.1:8766")
        assert make().api_url == "http://127.0.0.1:8766"
        assert make(api_url="http://127.0.0.1:1").api_url == "http://127.0.0.1:1"

    @pytest.mark.parametrize(
        ("make", "named"),
        [(Twilio, "TWILIO_ACCOUNT_SID"), (Telnyx, "TELNYX_API_KEY"), (Plivo, "PLIVO_AUTH_ID")],
    )
    def test_what_is_missing_is_named(self, make, named, monkeypatch):
        for name in ("TWILIO_ACCOUNT_SID", "TELNYX_API_KEY", "PLIVO_AUTH_ID"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(SettingsError, match=named):
            make()

    def test_no_secret_is_in_a_repr(self):
        for carrier in (Twilio("AC1", "hush"), Telnyx("hush"), Plivo("MA", "hush")):
            assert "hush" not in repr(carrier)


class TestTwilioSignature:
    carrier = Twilio("AC1", "token")

    @pytest.mark.parametrize(
        ("signed", "seen"),
        [
            ("https://bot.example.com/x?a=1", "https://bot.example.com/x?a=1"),
            ("https://bot.example.com:443/x", "https://bot.example.com/x"),
            ("https://bot.example.com/x", "https://bot.example.com:443/x"),
            ("https://bot.example.com:8443/x", "https://bot.example.com:8443/x"),
        ],
    )
    def test_it_is_what_twilios_own_package_makes(self, signed, seen):
        fields = {"CallSid": CALL, "From": "+1 555", "Empty": "", "Ä": "ö"}
        made = RequestValidator("token").compute_signature(signed, fields)
        headers = {"x-twilio-signature": made}
        assert self.carrier.verify(hook(url=seen, body=form(**fields), headers=headers), 0) == made

    def test_a_json_body_is_signed_by_its_hash(self):
        body = b'{"a": 1}'
        url = f"https://bot.example.com/x?bodySHA256={hashlib.sha256(body).hexdigest()}"
        made = RequestValidator("token").compute_signature(url, {})
        self.carrier.verify(hook(url=url, body=body, headers={"x-twilio-signature": made}), 0)
        with pytest.raises(WebhookRefusedError):
            self.carrier.verify(hook(url=url, body=b"{}", headers={"x-twilio-signature": made}), 0)

    @pytest.mark.parametrize("given", ["", "abc", "ä"])
    def test_others_are_refused(self, given):
        with pytest.raises(WebhookRefusedError, match="signature"):
            self.carrier.verify(hook(headers={"x-twilio-signature": given}), 0)


class TestPlivoSignature:
    carrier = Plivo("MA", "token")

    @pytest.mark.parametrize("url", ["https://bot.example.com/x", "https://bot.example.com/x?b=2&a=1"])
    @pytest.mark.parametrize("fields", [{}, {"To": "1", "From": "2", "Ä": "ö"}])
    def test_it_is_what_plivos_own_package_accepts(self, url, fields):
        signed = plivo.utils.signature_v3.construct_post_url(url, dict(fields)).decode()
        made = plivo.utils.signature_v3.get_signature_v3("token", signed, "n1").decode()
        headers = {"x-plivo-signature-v3-nonce": "n1"}
        for name, value in (("x-plivo-signature-v3", f"other, {made}"), ("x-plivo-signature-ma-v3", made)):
            webhook = hook(url=url, body=form(**fields), headers={**headers, name: value})
            assert self.carrier.verify(webhook, 0) == "n1"

    def test_others_are_refused(self):
        for headers in (
            {},
            {"x-plivo-signature-v3": "abc"},
            {"x-plivo-signature-v3": "abc", "x-plivo-signature-v3-nonce": "n"},
        ):
            with pytest.raises(WebhookRefusedError, match="signature"):
                self.carrier.verify(hook(headers=headers), 0)


class TestTelnyxSignature:
    body = b'{"data": 1}'

    def headers(self, stamp: str, signed: bytes | None = None):
        made = KEY.sign(stamp.encode() + b"|" + (signed or self.body))
        return {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": base64.b64encode(made).decode()}

    @pytest.mark.parametrize(
        ("encoding", "form_"),
        [(Encoding.Raw, PublicFormat.Raw), (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)],
    )
    def test_raw_and_der_keys_check_it(self, encoding, form_):
        key = base64.b64encode(KEY.public_key().public_bytes(encoding, form_)).decode()
        headers = self.headers("1000")
        headers["telnyx-signature-ed25519"] = "AAAA," + headers["telnyx-signature-ed25519"]
        assert Telnyx("k", public_key=key).verify(hook(body=self.body, headers=headers), 1100)

    @pytest.mark.parametrize(
        ("now_secs", "refused"), [(1301, "replay"), (930, "replay"), (1299, None), (950, None)]
    )
    def test_there_is_a_window(self, now_secs, refused):
        key = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
        webhook = hook(body=self.body, headers=self.headers("1000"))
        if refused is None:
            Telnyx("k", public_key=key).verify(webhook, now_secs)
            return
        with pytest.raises(WebhookRefusedError, match=refused):
            Telnyx("k", public_key=key).verify(webhook, now_secs)

    def test_others_are_refused(self):
        key = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
        stamp = str(int(time.time()))
        bad = [{}, {"telnyx-timestamp": "²"}, {"telnyx-timestamp": "9" * 30}, self.headers(stamp, b"other")]
        bad.append({"telnyx-timestamp": stamp, "telnyx-signature-ed25519": "no base64!"})
        for headers in bad:
            with pytest.raises(WebhookRefusedError):
                Telnyx("k", public_key=key).verify(hook(body=self.body, headers=headers), time.time())

    def test_a_key_that_is_none_is_refused_at_once(self):
        for key in ("not base64!", base64.b64encode(b"short").decode()):
            with pytest.raises(SettingsError, match="public_key"):
                Telnyx("k", public_key=key)


def telnyx_event(kind, **payload):
    return json.dumps(
        {"data": {"event_type": kind, "payload": {"call_control_id": "v3:1", **payload}}}
    ).encode()


@pytest.mark.parametrize(
    ("carrier", "webhook", "event"),
    [
        (
            Twilio("AC1", "t"),
            hook(body=form(CallSid=CALL, From="+1", To="+2")),
            IncomingCall(CALL, "+1", "+2"),
        ),
        (
            Twilio("AC1", "t"),
            hook(url="https://b/x?call=r", body=form(CallSid=CALL)),
            LegAnswered("r", CALL),
        ),
        (
            Twilio("AC1", "t"),
            hook("status", "https://b/x?call=r", form(CallSid=CALL, CallStatus="no-answer")),
            StatusChanged("r", CALL, "no-answer"),
        ),
        (
            Twilio("AC1", "t"),
            hook("status", "https://b/x?call=r", form(CallSid=CALL, CallStatus="something-new")),
            None,
        ),
        (
            Twilio("AC1", "t"),
            hook("amd", "https://b/x?call=r", form(CallSid=CALL, AnsweredBy="machine_end_silence")),
            MachineDetected("r", CALL, "machine", "machine_end_silence"),
        ),
        (Twilio("AC1", "t"), hook("markup", "https://b/x?key=k"), MarkupWanted("k")),
        (
            Plivo("MA", "t"),
            hook(body=form(CallUUID="u", From="1555", To="sip:a@b")),
            IncomingCall("u", "+1555", "sip:a@b"),
        ),
        (
            Plivo("MA", "t"),
            hook(
                "status", "https://b/x?call=r", form(CallUUID="u", CallStatus="busy", HangupCause="Busy Line")
            ),
            StatusChanged("r", "u", "busy", "Busy Line"),
        ),
        (
            Plivo("MA", "t"),
            hook("amd", "https://b/x?call=r", form(CallUUID="u", Machine="true")),
            MachineDetected("r", "u", "machine", "true"),
        ),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.initiated", direction="incoming", **{"from": "+1", "to": "+2"})),
            IncomingCall("v3:1", "+1", "+2"),
        ),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.initiated", direction="outgoing", client_state=state("r"))),
            StatusChanged("r", "v3:1", "ringing"),
        ),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.answered", client_state=state("r", "human"))),
            LegAnswered("r", "v3:1", is_person_leg=True),
        ),
        (Telnyx("k"), hook(body=telnyx_event("call.answered", client_state=None)), None),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.hangup", client_state=state("r"), hangup_cause="user_busy")),
            StatusChanged("r", "v3:1", "busy", "user_busy"),
        ),
        (
            Telnyx("k"),
            hook(
                body=telnyx_event("call.machine.detection.ended", client_state=state("r"), result="machine")
            ),
            MachineDetected("r", "v3:1", "machine", "machine", may_speak=False),
        ),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.machine.greeting.ended", client_state=state("r"))),
            GreetingEnded("r", "v3:1"),
        ),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.speak.ended", client_state=state("r", "human"))),
            SummarySaid("r", "v3:1"),
        ),
        (Telnyx("k"), hook(body=telnyx_event("streaming.started")), None),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.initiated", direction="incoming", **{"from": None, "to": None})),
            IncomingCall("v3:1", "", ""),
        ),
        (
            Telnyx("k"),
            hook(body=telnyx_event("call.hangup", client_state="of another bot: \u00e9", hangup_cause=None)),
            StatusChanged("", "v3:1", "failed"),
        ),
    ],
)
def test_what_a_webhook_means(carrier, webhook, event):
    assert carrier.read(webhook) == event


@pytest.mark.parametrize(
    ("carrier", "body"),
    [
        (Twilio("AC1", "t"), b""),
        (Plivo("MA", "t"), b"\xff\xfe"),
        (Plivo("MA", "t"), b"CallUUID=u"),
        (Telnyx("k"), b"{}"),
        (Telnyx("k"), b"[]"),
        (Telnyx("k"), b"{"),
        (Telnyx("k"), b'{"data": {"event_type": 1, "payload": {}}}'),
        (Telnyx("k"), b'{"data": {"event_type": "call.hangup", "payload": []}}'),
        (Telnyx("k"), b'{"data": {"event_type": "call.initiated", "payload": {"direction": "incoming"}}}'),
        (Telnyx("k"), b'{"data": {"event_type": "call.hangup", "payload": {"call_control_id": null}}}'),
    ],
)
def test_a_webhook_that_cannot_be_read_says_what_is_missing(carrier, body):
    with pytest.raises(CarrierMessageError):
        carrier.read(hook(body=body))
