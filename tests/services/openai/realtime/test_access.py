"""Keys, headers and URLs, and that no key is ever shown."""

from __future__ import annotations

import asyncio
import threading
import traceback

import pytest

from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.services.openai.realtime.access import DEFAULT_URL, Access

KEY = "sk-s3cret"
AZURE = "wss://mine.openai.azure.com/openai/v1/realtime"


def access(**given) -> Access:
    return Access(**{"api_key": KEY, "model": "gpt-realtime", **given})


class TestUrl:
    @pytest.mark.parametrize(
        ("base_url", "url"),
        [
            (DEFAULT_URL, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
            ("ws://127.0.0.1:8765/v1/realtime", "ws://127.0.0.1:8765/v1/realtime?model=gpt-realtime"),
            ("ws://[::1]:8765/v1/realtime", "ws://[::1]:8765/v1/realtime?model=gpt-realtime"),
            (
                "wss://gateway.example/x?tenant=a%20b",
                "wss://gateway.example/x?tenant=a%20b&model=gpt-realtime",
            ),
        ],
    )
    async def test_the_model_goes_into_the_query(self, base_url, url):
        assert (await access(base_url=base_url).endpoint()).url == url

    async def test_a_deployments_name_is_escaped(self):
        assert (await access(model="my model&x=1").endpoint()).url.endswith("?model=my+model%26x%3D1")

    @pytest.mark.parametrize(
        ("base_url", "why"),
        [
            ("https://api.openai.com/v1/realtime", "begins with ws:// or wss://"),
            ("api.openai.com/v1/realtime", "begins with ws:// or wss://"),
            ("wss:///v1/realtime", "and a host"),
            ("", "begins with ws:// or wss://"),
            ("wss://host:99999/x", "is no URL"),
            ("wss://[::1/x", "is no URL"),
            ("wss://me:s3cret@host/x", "user name or password"),
            ("wss://host/x?model=gpt-realtime", "must not name a model"),
            ("wss://host/x#y", "must not name a model or end in #"),
        ],
    )
    def test_an_address_that_cannot_work_is_refused_when_the_service_is_made(self, base_url, why):
        with pytest.raises(SettingsError, match=why) as caught:
            access(base_url=base_url)
        assert caught.value.field == "base_url"
        assert "s3cret" not in str(caught.value)


class TestHeaders:
    async def test_the_key_is_a_bearers(self):
        assert (await access().endpoint()).headers == {"Authorization": f"Bearer {KEY}"}

    async def test_who_pays_and_who_speaks(self):
        given = access(organization="org-1", project="proj_1", safety_identifier="user-7f3a")
        headers = (await given.endpoint()).headers
        assert headers["OpenAI-Organization"] == "org-1"
        assert headers["OpenAI-Project"] == "proj_1"
        assert headers["OpenAI-Safety-Identifier"] == "user-7f3a"
        assert "OpenAI-Beta" not in headers

    @pytest.mark.parametrize("field", ["organization", "project", "safety_identifier"])
    @pytest.mark.parametrize("value", ["", "a\r\nX-Other: b", "é"])
    def test_what_no_header_can_hold_is_refused(self, field, value):
        with pytest.raises(SettingsError) as caught:
            access(**{field: value})
        assert caught.value.field == field

    async def test_the_end_of_a_files_line_is_no_part_of_the_key(self):
        assert (await access(api_key=f"{KEY}\n").endpoint()).headers["Authorization"] == f"Bearer {KEY}"

    @pytest.mark.parametrize(
        ("api_key", "why"),
        [
            (None, "OPENAI_API_KEY"),
            ("", "OPENAI_API_KEY"),
            (" \n", "OPENAI_API_KEY"),
            ("sk-s3\ncret", "no header can hold"),
            (b"sk-s3cret", "not bytes"),
        ],
    )
    def test_c39_a_key_that_is_missing_or_broken_is_refused_when_the_service_is_made(self, api_key, why):
        with pytest.raises(SettingsError, match=why) as caught:
            access(api_key=api_key)
        assert caught.value.field == "api_key"
        assert "cret" not in str(caught.value)


class TestAzure:
    async def test_the_host_tells_that_it_is_azure_and_the_key_goes_into_its_header(self):
        endpoint = await access(base_url=AZURE, model="my-deployment").endpoint()
        assert endpoint.url == f"{AZURE}?model=my-deployment"
        assert endpoint.headers == {"api-key": KEY}

    async def test_a_callable_gives_an_entra_token(self):
        async def token() -> str:
            return "entra"

        assert (await access(base_url=AZURE, api_key=token).endpoint()).headers == {
            "Authorization": "Bearer entra"
        }

    async def test_a_gateway_may_be_azure_and_an_azure_host_may_not(self):
        gateway = access(base_url="wss://gateway.example/openai/v1/realtime", azure=True)
        assert (await gateway.endpoint()).headers == {"api-key": KEY}
        assert (await access(base_url=AZURE, azure=False).endpoint()).headers == {
            "Authorization": f"Bearer {KEY}"
        }

    @pytest.mark.parametrize("host", ["openai.azure.com.evil.example", "evilopenai.azure.com.example"])
    def test_other_hosts_are_not_azure(self, host):
        assert not access(base_url=f"wss://{host}/x").is_azure

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"azure": True}, "base_url"),
            (
                {"base_url": "wss://mine.openai.azure.com/openai/realtime?api-version=2025-04-01-preview"},
                "base_url",
            ),
            ({"base_url": AZURE, "organization": "org-1"}, "organization"),
            ({"base_url": AZURE, "project": "proj_1"}, "project"),
        ],
    )
    def test_what_azure_does_not_have_is_refused(self, given, field):
        with pytest.raises(SettingsError) as caught:
            access(**given)
        assert caught.value.field == field


class TestKeysThatExpire:
    async def test_an_async_callable_is_asked_before_every_connection(self):
        keys = iter(["first", "second\n"])

        async def key() -> str:
            return next(keys)

        way = access(api_key=key)
        assert (await way.endpoint()).headers["Authorization"] == "Bearer first"
        assert (await way.endpoint()).headers["Authorization"] == "Bearer second"

    async def test_a_callable_that_is_not_async_runs_in_a_thread(self):
        ran_in: list[threading.Thread] = []

        def key() -> str:
            ran_in.append(threading.current_thread())
            return KEY

        assert (await access(api_key=key).endpoint()).headers["Authorization"] == f"Bearer {KEY}"
        assert ran_in[0] is not threading.main_thread()

    async def test_an_object_and_a_lambda_will_do(self):
        class Provider:
            async def __call__(self) -> str:
                return "from an object"

        assert (await access(api_key=Provider()).endpoint()).headers[
            "Authorization"
        ] == "Bearer from an object"

        async def named(name: str) -> str:
            return name

        by_lambda = access(api_key=lambda: named("from a lambda"))
        assert (await by_lambda.endpoint()).headers["Authorization"] == "Bearer from a lambda"

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ("", "gave a key that is empty"),
            ("  ", "gave a key that is empty"),
            (None, "gave a NoneType"),
            ("s3\ncret", "no header can hold"),
        ],
    )
    async def test_a_key_that_cannot_be_used_is_a_clear_error(self, given, why):
        async def key():
            return given

        with pytest.raises(ConnectionRefused, match=f"the callable given as api_key .*{why}") as caught:
            await access(api_key=key).endpoint()
        assert caught.value.kind == "authentication"
        assert "cret" not in str(caught.value)

    async def test_an_error_of_the_callables_is_told_without_its_words(self):
        async def key() -> str:
            raise RuntimeError(f"{KEY} was refused")

        with pytest.raises(
            ConnectionRefused, match="the callable given as api_key raised RuntimeError"
        ) as caught:
            await access(api_key=key).endpoint()
        assert KEY not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.virtual_time
    async def test_a_callable_that_never_answers_is_given_up(self):
        async def key() -> str:
            await asyncio.Event().wait()
            return KEY

        with pytest.raises(ConnectionRefused, match="gave no key within 3 s"):
            await access(api_key=key, key_secs=3).endpoint()


class TestProxy:
    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            (True, True),
            (False, None),
            (None, None),
            ("http://p:8080", "http://p:8080"),
            ("socks5h://p:1", "socks5h://p:1"),
        ],
    )
    async def test_the_proxy_goes_along(self, given, taken):
        assert (await access(proxy=given).endpoint()).proxy == taken

    @pytest.mark.parametrize("proxy", ["p:8080", "ftp://me:s3cret@p:21", "http://", "http://p:99999", ""])
    def test_one_that_cannot_be_used_is_refused(self, proxy):
        with pytest.raises(SettingsError) as caught:
            access(proxy=proxy)
        assert caught.value.field == "proxy"
        assert "s3cret" not in str(caught.value)


async def test_no_secret_is_in_a_repr():
    way = access(proxy="http://me:s3cret@p:8080")
    endpoint = await way.endpoint()
    assert "s3cret" not in repr(way) + repr(endpoint) + str(endpoint) + endpoint.shown
