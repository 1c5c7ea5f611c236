"""The simulated models at work: what each call gets, when, and what it costs. No HTTP, no sleeping.

A front parses a call into a `ModelRequest`, asks `begin`, waits as long as the turn says, sends what it says, and
tells `end`. Answers depend on seed, model and prompt alone. Latencies, errors and incidents are drawn from a
sequence per model, so they repeat when the calls to that model come in the same order.
"""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from streams.embedded.simulator.answers import (
    REFUSAL,
    Draw,
    answer_json,
    answer_text,
    answer_tokens,
    estimate_tokens,
    recorded_text,
)
from streams.embedded.simulator.buckets import RateLimits, Throttled
from streams.embedded.simulator.incidents import Fault, Incident, Incidents
from streams.embedded.simulator.memory import IdempotencyKeys, PrefixCache, Remembered, fingerprint
from streams.embedded.simulator.models import ANY_KEY, SimulatedModel
from streams.embedded.simulator.requests import (
    ModelRequest,
    Rejection,
    RejectionKind,
    Reply,
    Turn,
    Usage,
)
from streams.embedded.simulator.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.embedded.simulator.outcomes import Outcome, Outcomes

MESSAGE_TOKENS = 3
"""What each message costs beside its text, and the answer's opening once."""

_SERVER_ERROR = 500
_SERVED_FIRST = 0.2
"""Share of a recorded latency that passes before the first token."""


class Engine:
    """Any number of models.

    Args:
        models: the models; names are unique.
        speed: factor on every latency; 0 for none at all.
        seed: decides answers and luck.
        outcomes: recorded answers to known prompts.
        clock: monotonic seconds, for limits, incidents and memory.
        wall: Unix seconds, for the time that answers carry.
    """

    def __init__(
        self,
        models: Iterable[SimulatedModel],
        *,
        speed: float = 1.0,
        seed: int = 0,
        outcomes: Outcomes | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.clock = clock
        self.tally = Tally(self.models)
        self.incidents = Incidents(self.models.keys(), clock)
        self._speed = speed
        self._seed = seed
        self._outcomes = outcomes
        self._wall = wall
        self._fresh()

    def _fresh(self) -> None:
        now = self.clock()
        self._limits = {
            name: RateLimits(model.rpm, model.tpm, burst_s=model.burst_s, now=now)
            for name, model in self.models.items()
        }
        self._luck = {name: Random(f"{self._seed}:{name}") for name in self.models}  # noqa: S311 - no secret
        self._keys = IdempotencyKeys()
        self._prefixes = PrefixCache()

    def reset(self) -> None:
        """As just started: full buckets, no incidents, nothing counted or remembered."""
        self._fresh()
        self.incidents.clear()
        self.tally.reset()

    def incident(self, incident: Incident) -> None:
        """Let something go wrong.

        Raises:
            IncidentError: no such model.
        """
        self.incidents.begin(incident)

    def begin(self, request: ModelRequest) -> Turn:
        """Take a call in. Every turn begun with a model is to be ended."""
        model = self.models.get(request.model)
        if model is None:
            message = f"The model `{request.model}` does not exist or you do not have access to it."
            return Turn(None, rejection=Rejection("unknown_model", message))
        now = self.clock()
        in_flight_before = self.tally.of[model.name].in_flight
        self.tally.of[model.name].began()
        turn = self._repeated(model, request, now) or self._served(model, request, in_flight_before, now)
        turn.headroom = self._limits[model.name].headroom(now)
        return turn

    def end(self, turn: Turn, status: int | None) -> None:
        """A call is through.

        A provider charges for what its model wrote, so a spoiled answer is billed, and so is one whose caller
        has gone; a repeated one is not.

        Args:
            turn: from `begin`.
            status: what was sent; None when nothing was, or the connection broke.
        """
        if turn.model is None:
            self.tally.rejected[str(status)] += 1
            return
        tally, reply = self.tally.of[turn.model.name], turn.reply
        tally.ended(status, ok=reply is not None and turn.fault is None and status is not None)
        if reply is None:
            return
        if turn.repeated:
            tally.repeats += 1
            return
        usage = reply.usage
        tally.recorded += reply.recorded
        tally.billed(
            usage, turn.model.cost_nusd(usage.input_tokens, usage.cached_tokens, usage.output_tokens)
        )

    def _repeated(self, model: SimulatedModel, request: ModelRequest, now: float) -> Turn | None:
        """The answer of an earlier call with the same idempotency key, when that call is through."""
        if request.idempotency_key is None or not _authorized(model, request):
            return None
        known = self._keys.find(model.name, request.idempotency_key)
        if known is None:
            return None
        if known.fingerprint != fingerprint(request):
            message = "This idempotency key was used before with a different request."
            return Turn(model, rejection=Rejection("key_reused", message))
        remaining_s = max(known.ready_s - now, 0.0)
        return Turn(model, known.reply, ttft_s=remaining_s, total_s=remaining_s, repeated=True)

    def _served(self, model: SimulatedModel, request: ModelRequest, in_flight: int, now: float) -> Turn:
        tokens_of = [estimate_tokens(text) + MESSAGE_TOKENS for text in request.messages]
        input_tokens = sum(tokens_of) + MESSAGE_TOKENS + request.other_tokens
        refused = _refused_at_the_door(model, request, input_tokens)
        if refused is not None:
            return Turn(model, rejection=refused)
        luck = self._luck[model.name]
        fault, factor = self.incidents.hit(model.name, luck, now)
        ttft_s = model.ttft_s * math.exp(luck.gauss(0.0, model.ttft_sigma)) * factor * self._speed
        failing = luck.random() < model.error_rate
        if fault is not None and (failed := _failed(model, fault, ttft_s)) is not None:
            return failed
        outcome = self._outcomes.find(model.name, request.question) if self._outcomes else None
        try:
            reply = self._reply(model, request, outcome, input_tokens)
        except ValueError as error:
            return Turn(
                model, rejection=Rejection("bad_schema", f"Invalid schema for response_format: {error}")
            )
        throttled = self._admit(model, reply.usage, in_flight, now)
        if throttled is not None:
            return Turn(model, rejection=throttled)
        if failing:
            return Turn(model, rejection=_server_error(_SERVER_ERROR), ttft_s=ttft_s, total_s=ttft_s)
        cached = self._prefixes.cached_tokens(model.name, tokens_of, request.messages, now)
        reply = replace(
            reply, usage=replace(reply.usage, cached_tokens=min(cached, reply.usage.input_tokens))
        )
        turn = Turn(model, reply, fault=fault, ttft_s=ttft_s)
        turn.total_s = ttft_s + reply.usage.output_tokens / model.tokens_per_s * factor * self._speed
        if outcome is not None and outcome.latency_s is not None:
            turn.total_s = outcome.latency_s * factor * self._speed
            turn.ttft_s = turn.total_s * _SERVED_FIRST
        if fault is not None and fault.kind == "truncate":
            turn.reply = _halved(reply)
        elif fault is None and request.idempotency_key is not None:
            remembered = Remembered(reply, fingerprint(request), now + turn.total_s)
            self._keys.keep(model.name, request.idempotency_key, remembered)
        return turn

    def _reply(
        self, model: SimulatedModel, request: ModelRequest, outcome: Outcome | None, input_tokens: int
    ) -> Reply:
        draw = Draw.of(model, request.question, self._seed)
        refused = draw.refused and outcome is None
        if outcome is not None:
            output_tokens = outcome.output_tokens
            wanted = answer_tokens(model, draw) if output_tokens is None else output_tokens
            text = recorded_text(outcome.answer, wanted, draw.own)
            output_tokens = estimate_tokens(text) if output_tokens is None else output_tokens
            input_tokens = input_tokens if outcome.input_tokens is None else outcome.input_tokens
        else:
            text = REFUSAL if refused else _generated(model, request, draw)
            output_tokens = estimate_tokens(text)
        room = _room(model, request, input_tokens)
        cut = output_tokens > room
        if cut:
            text, output_tokens = text[: len(text) * room // output_tokens], room
        return Reply(
            reply_id=uuid.uuid4().hex,
            created_s=int(self._wall()),
            text=text,
            usage=Usage(input_tokens, 0, output_tokens),
            finish="length" if cut else "stop",
            refused=refused,
            recorded=outcome is not None,
        )

    def _admit(self, model: SimulatedModel, usage: Usage, in_flight: int, now: float) -> Rejection | None:
        """Take from the limits. The tokens are what the call uses, which is known here before it is made."""
        if model.max_concurrency is not None and in_flight >= model.max_concurrency:
            message = f"Too many concurrent requests for {model.name}: limit {model.max_concurrency}."
            return Rejection("requests_throttled", message, retry_after_s=model.ttft_s * self._speed)
        throttled = self._limits[model.name].admit(usage.input_tokens + usage.output_tokens, now)
        return None if throttled is None else _throttled(model, throttled)


def _authorized(model: SimulatedModel, request: ModelRequest) -> bool:
    if model.api_key is None:
        return True
    return bool(request.api_key) and model.api_key in (ANY_KEY, request.api_key)


def _refused_at_the_door(model: SimulatedModel, request: ModelRequest, input_tokens: int) -> Rejection | None:
    if not _authorized(model, request):
        message = "Incorrect API key provided." if request.api_key else "You didn't provide an API key."
        return Rejection("unauthorized", message)
    needed = input_tokens + (request.max_output_tokens or 0)
    if needed <= model.context_window and input_tokens < model.context_window:
        return None
    message = (
        f"This model's maximum context length is {model.context_window} tokens. However, you requested {needed}"
        f" tokens ({input_tokens} in the messages, {needed - input_tokens} in the completion)."
    )
    return Rejection("context_too_long", message)


def _room(model: SimulatedModel, request: ModelRequest, input_tokens: int) -> int:
    """Most tokens that the answer may have."""
    allowed = (request.max_output_tokens, model.max_output_tokens, model.context_window - input_tokens)
    return max(min(limit for limit in allowed if limit is not None), 1)


def _generated(model: SimulatedModel, request: ModelRequest, draw: Draw) -> str:
    if request.shape == "json":
        return answer_json(request.question, draw, request.schema)
    return answer_text(model, request.question, draw)


def _failed(model: SimulatedModel, fault: Fault, ttft_s: float) -> Turn | None:
    """The turn of a call that an incident ends; None where it only spoils the answer."""
    match fault.kind:
        case "outage" if fault.status is None:
            return Turn(model, fault=fault)
        case "outage" | "errors":
            status = fault.status or _SERVER_ERROR
            wait_s = 0.0 if fault.kind == "outage" else ttft_s
            return Turn(model, rejection=_server_error(status), ttft_s=wait_s, total_s=wait_s)
        case "throttle":
            message = f"Rate limit reached for {model.name}. Please try again in {fault.retry_after_s:g}s."
            return Turn(
                model,
                rejection=Rejection("requests_throttled", message, retry_after_s=fault.retry_after_s),
            )
        case _:
            return None


def _server_error(status: int) -> Rejection:
    return Rejection("server_error", "The server had an error while processing your request.", status=status)


def _throttled(model: SimulatedModel, throttled: Throttled) -> Rejection:
    unit = "RPM" if throttled.resource == "requests" else "TPM"
    message = (
        f"Rate limit reached for {model.name} on {throttled.resource} per min ({unit}): Limit {throttled.limit},"
        f" Used {throttled.used}, Requested {throttled.requested}."
    )
    kind: RejectionKind = "requests_throttled" if throttled.resource == "requests" else "tokens_throttled"
    if math.isinf(throttled.wait_s):
        return Rejection(kind, f"Request too large. {message}")
    told = f"{message} Please try again in {throttled.wait_s:.3f}s."
    return Rejection(kind, told, retry_after_s=throttled.wait_s)


def _halved(reply: Reply) -> Reply:
    usage = replace(reply.usage, output_tokens=max(reply.usage.output_tokens // 2, 1))
    return replace(reply, text=reply.text[: len(reply.text) // 2], usage=usage, finish="length")
