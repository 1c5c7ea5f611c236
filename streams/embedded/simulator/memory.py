"""What a provider remembers between calls, all of it bounded: idempotency keys and cached prefixes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.embedded.simulator.requests import ModelRequest, Reply

_LEAST_CACHED_TOKENS = 1_024
_CACHED_STEP_TOKENS = 128
_CACHED_FOR_S = 300.0


@dataclass(frozen=True, slots=True)
class Remembered:
    """The answer that went with an idempotency key."""

    reply: Reply
    fingerprint: bytes
    ready_s: float
    """When the first call was or will be through."""


class IdempotencyKeys:
    """Answers by (model, key); the oldest goes when there are too many, or too many characters of answers."""

    def __init__(self, *, most: int = 20_000, most_chars: int = 50_000_000) -> None:
        self._most = most
        self._most_chars = most_chars
        self._chars = 0
        self._known: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    def find(self, model: str, key: str) -> Remembered | None:
        """What was answered, if it is still known."""
        return self._known.get((model, key))

    def keep(self, model: str, key: str, remembered: Remembered) -> None:
        """Remember it."""
        self._known[model, key] = remembered
        self._chars += len(remembered.reply.text)
        while len(self._known) > self._most or self._chars > self._most_chars:
            _, oldest = self._known.popitem(last=False)
            self._chars -= len(oldest.reply.text)

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)


def fingerprint(request: ModelRequest) -> bytes:
    """Tells requests apart that come with the same key."""
    digest = hashlib.blake2b(digest_size=16)
    for text in request.messages:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(f"{request.max_output_tokens} {request.shape} {request.schema}".encode())
    return digest.digest()


class PrefixCache:
    """Prompt caching as OpenAI's: a prefix of at least 1,024 tokens that was sent before, in steps of 128.

    A prefix ends at the end of a message. It is known for five minutes after its last use.
    """

    def __init__(self, *, most: int = 10_000) -> None:
        self._most = most
        self._used_s: OrderedDict[bytes, float] = OrderedDict()

    def cached_tokens(self, model: str, tokens_of: list[int], messages: tuple[str, ...], now: float) -> int:
        """Tokens of the longest known prefix; all prefixes of this call are known from now on."""
        if sum(tokens_of) < _LEAST_CACHED_TOKENS:
            return 0
        digest = hashlib.blake2b(model.encode("utf-8", "surrogatepass"), digest_size=16)
        tokens, cached = 0, 0
        for text, text_tokens in zip(messages, tokens_of, strict=True):
            digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
            tokens += text_tokens
            if tokens < _LEAST_CACHED_TOKENS:
                continue
            prefix = digest.digest()
            used_s = self._used_s.pop(prefix, None)
            if used_s is not None and now - used_s <= _CACHED_FOR_S:
                cached = tokens // _CACHED_STEP_TOKENS * _CACHED_STEP_TOKENS
            self._used_s[prefix] = now
        while len(self._used_s) > self._most:
            self._used_s.popitem(last=False)
        return cached
