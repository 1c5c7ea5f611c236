"""The smallest server that answers chat completions, in a process of its own: what it costs is not measured.

It shares the machine with what is. Every answer is the same bytes, after `delay_s`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

HEADERS = (
    "date: Thu, 26 Nov 2026 10:00:00 GMT",
    "openai-processing-ms: 412",
    "openai-version: 2020-10-01",
    "x-ratelimit-limit-requests: 10000",
    "x-ratelimit-limit-tokens: 200000",
    "x-ratelimit-remaining-requests: 9999",
    "x-ratelimit-remaining-tokens: 199984",
    "x-ratelimit-reset-requests: 8.64s",
    "x-ratelimit-reset-tokens: 4ms",
    "x-request-id: req_0123456789abcdef",
    "strict-transport-security: max-age=31536000",
    "cf-cache-status: DYNAMIC",
    "server: cloudflare",
)
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "The customer wants a refund. It is urgent. " * 10},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 240, "completion_tokens": 90, "total_tokens": 330},
}


class _Canned(asyncio.Protocol):
    """Reads one POST after the other; writes the answer."""

    def __init__(self, answer: bytes, delay_s: float) -> None:
        self._answer = answer
        self._delay_s = delay_s
        self._missing = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            self._missing, self._head, data = int(length), b"", body
        self._missing -= len(data)
        if self._missing > 0:
            return
        self._missing = 0
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, self._answer)
        else:
            self._transport.write(self._answer)


def answer() -> bytes:
    """The whole HTTP response."""
    body = orjson.dumps(COMPLETION)
    lines = ["HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {len(body)}", *HEADERS]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def serve(delay_s: float) -> asyncio.Server:
    """A server on a free port of 127.0.0.1."""
    response = answer()
    return await asyncio.get_running_loop().create_server(
        lambda: _Canned(response, delay_s), "127.0.0.1", 0, backlog=512
    )
