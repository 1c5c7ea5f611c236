"""Calls over real sockets, to servers that behave and servers that do not."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from streams.call import Caller, CallOutcome, UnknownProviderError, UnusableSecretError
from streams.config.secrets import MissingSecretError, SecretRef
from tests.call.builders import ANSWER, a_provider, a_request, http, raw_server
from topics.events import CallStatus, Task, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.call.builders import Raw

GOOD = http(orjson.dumps(ANSWER), headers=("x-request-id: req_9", "x-ratelimit-reset-requests: 120ms"))
KEY = "sk-test-0123456789abcdef"
ENVIRON = {"LOCAL_API_KEY": KEY}
SOON_S = 5.0
"""Deadline for what takes a moment."""


def answers(data: bytes, *, close: bool = False) -> Callable[[asyncio.StreamWriter, Raw], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter, _: Raw) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()

    return answer


async def never(_: asyncio.StreamWriter, __: Raw) -> None:
    """No answer, for as long as the client stays."""


@asynccontextmanager
async def calling(port: int, **settings: Any) -> AsyncIterator[Caller]:
    async with Caller({"local": a_provider(port, **settings)}, ENVIRON) as caller:
        yield caller


async def outcome_of(data: bytes, *, close: bool = False, **settings: Any) -> CallOutcome:
    async with raw_server(answers(data, close=close)) as raw, calling(raw.port, **settings) as caller:
        return await caller.call(a_request())


# --- Servers that behave -------------------------------------------------------------------------------


async def test_a_call_goes_out_and_its_answer_comes_back() -> None:
    async with (
        raw_server(answers(GOOD)) as raw,
        calling(raw.port, api_key=SecretRef("LOCAL_API_KEY")) as caller,
    ):
        outcome = await caller.call(a_request())
    head, body = raw.requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    lines = head.lower().split(b"\r\n")[1:]
    assert {name.strip() for name, _ in (line.split(b":", 1) for line in lines)} == {
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"content-type",
        b"content-length",
        b"idempotency-key",
    }
    assert b"idempotency-key: call-1" in lines
    assert f"authorization: Bearer {KEY}".lower().encode() in lines
    assert f"host: 127.0.0.1:{raw.port}".encode() in lines
    assert orjson.loads(body)["model"] == "gpt-4o-mini"
    assert (outcome.status, outcome.content, outcome.usage) == (CallStatus.OK, "Paris", Usage(12, 0, 3, 0))
    assert (outcome.request_id, outcome.reached) == ("req_9", True)
    assert outcome.rate_limits is not None
    assert outcome.rate_limits.reset_requests_s == pytest.approx(0.12)
    assert 0 < outcome.latency_s < SOON_S


async def test_connections_are_used_again_and_never_more_than_allowed() -> None:
    async with raw_server(answers(GOOD)) as raw, calling(raw.port, max_concurrency=2) as caller:
        outcomes = await asyncio.gather(*(caller.call(a_request()) for _ in range(20)))
    assert {outcome.status for outcome in outcomes} == {CallStatus.OK}
    assert raw.connections <= 2


async def test_a_query_of_the_base_url_stays_at_its_end() -> None:
    async with raw_server(answers(GOOD)) as raw:
        provider = a_provider(raw.port).model_copy(
            update={"base_url": f"http://127.0.0.1:{raw.port}/openai/?api-version=1"}
        )
        async with Caller({"local": provider}, {}) as caller:
            await caller.call(a_request())
    assert raw.requests[0].startswith(b"POST /openai/chat/completions?api-version=1 HTTP/1.1")


async def test_no_key_means_no_authorization() -> None:
    async with raw_server(answers(GOOD)) as raw, calling(raw.port) as caller:
        await caller.call(a_request())
    assert b"authorization" not in raw.requests[0].lower()


async def test_cookies_are_not_kept() -> None:
    data = http(orjson.dumps(ANSWER), headers=("set-cookie: session=1; Path=/",))
    async with raw_server(answers(data)) as raw, calling(raw.port) as caller:
        await caller.call(a_request())
        await caller.call(a_request())
    assert b"cookie" not in raw.requests[1].lower()


async def test_a_redirect_is_not_followed() -> None:
    outcome = await outcome_of(http(b"", status="307 Temporary Redirect", headers=("location: /elsewhere",)))
    assert (outcome.status, outcome.retryable, outcome.error) == (CallStatus.CLIENT, False, "client:http_307")


async def test_compression_that_nobody_asked_for_is_undone() -> None:
    outcome = await outcome_of(http(gzip.compress(orjson.dumps(ANSWER)), headers=("content-encoding: gzip",)))
    assert (outcome.status, outcome.content) == (CallStatus.OK, "Paris")


async def test_long_response_headers_are_fine() -> None:
    outcome = await outcome_of(http(orjson.dumps(ANSWER), headers=(f"x-policy: {'p' * 20_000}",)))
    assert outcome.status is CallStatus.OK


# --- Servers that do not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status", "error", "retryable"),
    [
        (http(b""), CallStatus.BAD_RESPONSE, "bad_response:empty_body", True),
        (http(b"<html></html>"), CallStatus.BAD_RESPONSE, "bad_response:html", False),
        (http(b'{"choices": [{"mess'), CallStatus.BAD_RESPONSE, "bad_response:invalid_json", True),
        (http(b"\xff\xfe\xfd"), CallStatus.BAD_RESPONSE, "bad_response:invalid_utf8", False),
        (http(b'{"choices": 5}'), CallStatus.BAD_RESPONSE, "bad_response:no_choices", False),
        (http(b'{"error": {"code": 429}}'), CallStatus.THROTTLED, "throttled:http_429", True),
        (http(b"", status="503 Service Unavailable"), CallStatus.SERVER, "server:http_503", True),
        (
            http(b"not gzip at all", headers=("content-encoding: gzip",)),
            CallStatus.BAD_RESPONSE,
            "bad_response:DecodingError",
            False,
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", CallStatus.BAD_RESPONSE, "bad_response:ClientResponseError", False),
    ],
)
async def test_a_malformed_response_is_an_outcome(
    data: bytes, status: CallStatus, error: str, *, retryable: bool
) -> None:
    outcome = await outcome_of(data, close=True)
    assert (outcome.status, outcome.error, outcome.retryable) == (status, error, retryable)
    assert outcome.reached


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        GOOD[:-30],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
    ],
)
async def test_a_connection_that_closes_too_early_may_be_tried_again(data: bytes) -> None:
    outcome = await outcome_of(data, close=True)
    assert (outcome.status, outcome.retryable, outcome.reached) == (CallStatus.NETWORK, True, True)


async def test_after_a_broken_connection_the_next_call_works() -> None:
    turns = iter([GOOD[:-30], GOOD])

    async def answer(writer: asyncio.StreamWriter, _: Raw) -> None:
        data = next(turns)
        writer.write(data)
        if data is not GOOD:
            writer.close()

    async with raw_server(answer) as raw, calling(raw.port) as caller:
        assert (await caller.call(a_request())).status is CallStatus.NETWORK
        assert (await caller.call(a_request())).status is CallStatus.OK


@pytest.mark.parametrize("framing", ["content-length: 52428800", "transfer-encoding: chunked"])
async def test_a_body_of_50_mb_is_not_read(framing: str) -> None:
    chunk = b"x" * 2**16

    async def answer(writer: asyncio.StreamWriter, raw: Raw) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        for _ in range(800):
            writer.write(b"10000\r\n" + chunk + b"\r\n" if "chunked" in framing else chunk)
            await writer.drain()
            raw.written += len(chunk)

    async with raw_server(answer) as raw, calling(raw.port) as caller:
        outcome = await caller.call(a_request())
        await asyncio.wait_for(raw.hung_up.wait(), SOON_S)
    assert (outcome.status, outcome.error, outcome.retryable) == (
        CallStatus.BAD_RESPONSE,
        "bad_response:body_too_large",
        False,
    )
    assert raw.written < 30 * 2**20


async def test_a_small_body_that_unpacks_to_a_large_one_is_not_read() -> None:
    bomb = gzip.compress(bytes(64 * 2**20))
    assert (
        await outcome_of(http(bomb, headers=("content-encoding: gzip",)))
    ).error == "bad_response:body_too_large"


async def test_a_server_that_trickles_is_cut_off() -> None:
    async def answer(writer: asyncio.StreamWriter, raw: Raw) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not raw.hung_up.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(answer) as raw, calling(raw.port) as caller:
        outcome = await caller.call(a_request(timeout_s=0.3))
        await asyncio.wait_for(raw.hung_up.wait(), SOON_S)
        assert (outcome.status, outcome.error) == (CallStatus.TIMEOUT, "timeout:total_timeout")
        assert (outcome.retryable, outcome.reached) == (True, True)
        assert 0.25 < outcome.latency_s < 1.5


async def test_a_silent_server_is_cut_off_at_the_provider_s_limit_and_hung_up_on() -> None:
    async with raw_server(never) as raw, calling(raw.port, timeout_s=0.2) as caller:
        outcome = await caller.call(a_request(timeout_s=60.0))
        await asyncio.wait_for(raw.hung_up.wait(), SOON_S)
        assert outcome.status is CallStatus.TIMEOUT
        assert outcome.latency_s < 1.5


@pytest.mark.filterwarnings(
    "ignore:Sending a large body:ResourceWarning"
)  # aiohttp's advice against 1 MiB and more
async def test_a_server_that_does_not_read_a_long_request_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with calling(listener.getsockname()[1]) as caller:
            outcome = await caller.call(a_request(Task(prompt="x" * 20_000_000), timeout_s=0.5))
    assert outcome.status is CallStatus.TIMEOUT
    assert outcome.latency_s < 3.0


async def test_no_time_left_is_a_timeout() -> None:
    async with raw_server(answers(GOOD)) as raw, calling(raw.port) as caller:
        assert (await caller.call(a_request(timeout_s=0.0))).status is CallStatus.TIMEOUT
        assert (await caller.call(a_request(timeout_s=-1.0))).status is CallStatus.TIMEOUT


async def test_a_refused_connection_has_cost_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with calling(port) as caller:
        outcome = await caller.call(a_request())
    assert (outcome.status, outcome.error) == (CallStatus.NETWORK, "network:ClientConnectorError")
    assert (outcome.retryable, outcome.reached, outcome.http_status) == (True, False, None)


async def test_a_black_hole_is_given_up_after_the_connect_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue of connections is full: further ones get no answer
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        async with calling(listener.getsockname()[1], connect_timeout_s=0.2) as caller:
            outcome = await caller.call(a_request())
        for filler in fillers:
            filler.close()
    assert (outcome.status, outcome.error) == (CallStatus.TIMEOUT, "timeout:ConnectionTimeoutError")
    assert (outcome.retryable, outcome.reached) == (True, False)
    assert outcome.latency_s < 2.0


async def test_plain_http_where_tls_is_expected_is_a_network_failure() -> None:
    async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(gibberish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = a_provider(port).model_copy(update={"base_url": f"https://127.0.0.1:{port}/v1"})
    async with server, Caller({"local": provider}, {}) as caller:
        outcome = await caller.call(a_request())
    assert (outcome.status, outcome.reached) == (CallStatus.NETWORK, False)


async def test_a_task_that_cannot_be_sent_is_an_outcome() -> None:
    async with raw_server(answers(GOOD)) as raw, calling(raw.port) as caller:
        outcome = await caller.call(a_request(Task(prompt="\ud800")))
    assert (outcome.status, outcome.error, outcome.reached) == (CallStatus.CLIENT, "client:not_json", False)
    assert raw.requests == []


async def test_a_cancelled_call_hangs_up_and_stays_cancelled() -> None:
    async with raw_server(never) as raw, calling(raw.port) as caller:
        call = asyncio.create_task(caller.call(a_request()))
        await asyncio.wait_for(raw.asked.wait(), SOON_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(raw.hung_up.wait(), SOON_S)


async def test_a_hundred_calls_at_once_to_a_mixed_server_all_end() -> None:
    turns = iter(range(1_000))

    async def answer(writer: asyncio.StreamWriter, _: Raw) -> None:
        turn = next(turns) % 4
        writer.write([GOOD, GOOD[:-9], http(b"<"), http(b"", status="500 x")][turn])
        if turn == 1:
            writer.close()

    async with raw_server(answer) as raw, calling(raw.port, max_concurrency=32) as caller:
        outcomes = await asyncio.gather(*(caller.call(a_request()) for _ in range(100)))
    assert len(outcomes) == 100
    assert {outcome.status for outcome in outcomes} <= {
        CallStatus.OK,
        CallStatus.NETWORK,
        CallStatus.BAD_RESPONSE,
        CallStatus.SERVER,
    }


# --- Seams and secrets ---------------------------------------------------------------------------------


async def test_transport_and_clocks_are_seams() -> None:
    ticks = iter([10.0, 10.0, 12.5])
    made = httpx.MockTransport(lambda _: httpx.Response(200, json=ANSWER, headers={"Retry-After": "1"}))
    caller = Caller({"local": a_provider(1)}, {}, clock=lambda: next(ticks), transport=lambda _: made)
    async with caller:
        outcome = await caller.call(a_request())
    assert (outcome.status, outcome.latency_s, outcome.retry_after_s) == (CallStatus.OK, 2.5, 1.0)


async def test_a_bug_in_a_transport_does_not_lose_the_task() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise RuntimeError

    async with Caller(
        {"local": a_provider(1)}, {}, transport=lambda _: httpx.MockTransport(broken)
    ) as caller:
        outcome = await caller.call(a_request())
    assert (outcome.status, outcome.retryable, outcome.error) == (
        CallStatus.NETWORK,
        False,
        "network:RuntimeError",
    )


async def test_an_unknown_provider_is_named() -> None:
    async with Caller({}, {}) as caller:
        with pytest.raises(UnknownProviderError, match="local"):
            await caller.call(a_request())


def test_a_missing_key_is_found_before_the_first_call() -> None:
    with pytest.raises(MissingSecretError, match="LOCAL_API_KEY"):
        Caller({"local": a_provider(1, api_key=SecretRef("LOCAL_API_KEY"))}, {})


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-a b", "sk-ä", "\u201csk-a\u201d", "   "])
def test_an_unusable_key_is_found_and_not_repeated(key: str) -> None:
    with pytest.raises((UnusableSecretError, MissingSecretError)) as caught:
        Caller({"local": a_provider(1, api_key=SecretRef("LOCAL_API_KEY"))}, {"LOCAL_API_KEY": key})
    assert "LOCAL_API_KEY" in str(caught.value)
    assert "sk-" not in str(caught.value)


async def test_a_line_break_at_the_end_of_a_key_is_forgiven() -> None:
    provider_settings = {"api_key": SecretRef("LOCAL_API_KEY")}
    async with (
        raw_server(answers(GOOD)) as raw,
        Caller({"local": a_provider(raw.port, **provider_settings)}, {"LOCAL_API_KEY": KEY + "\n"}) as caller,
    ):
        await caller.call(a_request())
    assert f"Bearer {KEY}\r\n".encode() in raw.requests[0]


async def test_neither_keys_nor_prompts_nor_answers_are_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = http(orjson.dumps({**ANSWER, "choices": [{"message": {"content": "answer-text"}}]}))
    turns = iter(
        [
            secret,
            http(f'{{"error":{{"message":"bad key {KEY}"}}}}'.encode(), status="401 No"),
            b"junk\r\n\r\n",
        ]
    )

    async def answer(writer: asyncio.StreamWriter, _: Raw) -> None:
        writer.write(next(turns))
        writer.close()

    shown = []
    async with (
        raw_server(answer) as raw,
        calling(raw.port, api_key=SecretRef("LOCAL_API_KEY")) as caller,
    ):
        for _ in range(3):
            outcome = await caller.call(a_request(Task(prompt="prompt-text")))
            shown += [repr(outcome), str(outcome.error)]
        shown += [repr(caller), repr(vars(caller)), *(repr(vars(t)) for t in caller._transports.values())]
    captured = capsys.readouterr()
    everything = "\n".join([*shown, caplog.text, captured.out, captured.err])
    for private in (KEY, "prompt-text", "answer-text"):
        assert private not in everything


async def test_nothing_is_left_open() -> None:
    before = time.monotonic()
    async with raw_server(answers(GOOD)) as raw:
        async with calling(raw.port) as caller:
            await caller.call(a_request())
        await asyncio.wait_for(raw.hung_up.wait(), SOON_S)
    assert time.monotonic() - before < SOON_S
