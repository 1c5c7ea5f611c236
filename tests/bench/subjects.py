"""What is measured, each run in a process of its own: `python -m tests.bench.subjects NAME JSON`.

On asyncio's event loop, like the router, unless the specification names another.

Writes one line of JSON to standard output: what it cost, or where it listens. Those that serve do so until SIGTERM.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import signal
import sys
from dataclasses import asdict
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import orjson
import uvloop

from streams.call import Caller, CallRequest
from streams.observability.logs import configure_logs
from streams.registry import Registry
from streams.router.service import Router
from tests.bench import loops, provider, workload
from tests.bench.window import Window
from tests.router.harness import until
from topics import codec
from topics.events import CallStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.config.settings import Settings

POLL_S = 0.005
CALL_BYTES, RESULT_BYTES = 1_300, 1_500
"""Length of a `call.completed` and a `task.completed` for the canned answer."""


def _say(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
    sys.stdout.flush()


def _settings(spec: dict[str, Any], **router: Any) -> Settings:
    return workload.settings(
        bootstrap=spec["bootstrap"],
        prefix=spec["prefix"],
        idempotent=spec["idempotent"],
        provider_url=spec.get("url", "http://127.0.0.1:9/v1"),
        **router,
    )


def _window(spec: dict[str, Any]) -> Window:
    return Window(spec["warm"], spec["total"])


async def bare(spec: dict[str, Any]) -> None:
    """One of the loops of `loops`."""
    configured, window = _settings(spec), _window(spec)
    await loops.read_and_write(configured, loops.ENCODERS[spec["encoder"]](configured), window)
    _tell(window)


async def decide_only(spec: dict[str, Any]) -> None:
    """The router, leaving the calls to others."""
    await _routed(_settings(spec, decide_only=True), _window(spec), "routed", spec.get("profile"))


async def with_calls(spec: dict[str, Any]) -> None:
    """The router with calls."""
    configured = _settings(spec, max_calls=workload.IN_FLIGHT)
    await _routed(configured, _window(spec), "completed", spec.get("profile"))


async def _routed(configured: Settings, window: Window, status: str, profile: str | None) -> None:
    profiler = cProfile.Profile() if profile else None
    async with Router(configured, os.environ) as router:
        work = asyncio.create_task(router.run())
        count = router.metrics.tasks.labels(status)._value.get
        while not window.finished(int(count())):
            if profiler is not None and count() and not profiler.getstats():
                profiler.enable()
            await asyncio.sleep(POLL_S)
            if work.done():
                break
        if profiler is not None and profile is not None:
            profiler.disable()
            profiler.dump_stats(profile)
        router.stop()
        await work
    _tell(window)


def _requests(configured: Settings, count: int) -> list[CallRequest]:
    model = Registry.of(configured.models, configured.providers)["model-00"]
    tasks = cycle([one.task for one in loops.submissions(workload.tasks(1_000))])
    return [
        CallRequest(f"call-{index}", model, task, 256, 60.0)
        for index, task in enumerate(islice(tasks, count))
    ]


async def _checked(caller: Caller, request: CallRequest) -> None:
    outcome = await caller.call(request)
    assert outcome.status is CallStatus.OK, outcome


async def calls_alone(spec: dict[str, Any]) -> None:
    """The same calls with the same client, from memory: no Kafka."""
    configured, window = _settings(spec), _window(spec)
    left, done = iter(_requests(configured, spec["total"])), 0
    async with Caller(configured.providers, {}) as caller:

        async def worker() -> None:
            nonlocal done
            for request in left:
                await _checked(caller, request)
                done += 1
                window.finished(done)

        await asyncio.gather(*(worker() for _ in range(workload.IN_FLIGHT)))
    _tell(window)


async def calls_by_hand(spec: dict[str, Any]) -> None:
    """The same calls between the same number of durable writes of the same length, without Sluice."""
    configured, window = _settings(spec), _window(spec)
    requests = iter(_requests(configured, spec["total"] + workload.IN_FLIGHT * 4))
    values = (codec.encode(loops.a_decision(configured)), b"x" * CALL_BYTES, b"x" * RESULT_BYTES)
    async with Caller(configured.providers, {}) as caller:

        async def call(_record: object) -> None:
            await _checked(caller, next(requests))

        await loops.call_between(configured, call, values, window)
    _tell(window)


def _tell(window: Window) -> None:
    assert window.cost is not None, "the router ended early"
    _say(asdict(window.cost))


async def serve_provider(spec: dict[str, Any]) -> None:
    """The provider; says its address."""
    server = await provider.serve(spec["delay_s"])
    _say({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"})
    await _terminated()
    server.close()


async def serve_router(spec: dict[str, Any]) -> None:
    """The router with calls; says when it owns its partitions."""
    async with Router(_settings(spec), os.environ) as router:
        work = asyncio.create_task(router.run())
        await until(lambda: router._assignment.settled and bool(router._assignment.partitions))
        _say({"ready": True})
        await _terminated()
        router.stop()
        await work


async def _terminated() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


SUBJECTS: dict[str, Callable[[dict[str, Any]], Coroutine[Any, Any, None]]] = {
    "bare": bare,
    "decide_only": decide_only,
    "with_calls": with_calls,
    "calls_alone": calls_alone,
    "calls_by_hand": calls_by_hand,
    "provider": serve_provider,
    "router": serve_router,
}


def main() -> None:
    """Run one subject."""
    name, spec = sys.argv[1], orjson.loads(sys.argv[2])
    configure_logs()
    factory = uvloop.new_event_loop if spec.get("loop") == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(partial(SUBJECTS[name], spec)())


if __name__ == "__main__":
    main()
