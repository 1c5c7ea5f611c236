"""The loop on a real broker: results, bad input, bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiokafka import TopicPartition
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streams.bus.topology import committed_offsets
from tests.router.harness import PARTITIONS, Bus, Provider, running, settings, until
from topics import catalog
from topics.headers import SOURCE_HEADER, call_id_of, header

if TYPE_CHECKING:
    from streams.router.service import Router

pytestmark = pytest.mark.bus


async def position(bus: Bus, partition: int = 0) -> int:
    where = TopicPartition(bus.name(catalog.TASK_SUBMITTED), partition)
    found = await committed_offsets(bus.options, f"{bus.prefix}.router", [where])
    return found[where].offset if where in found else -1


async def test_a_task_of_nothing_but_a_prompt_comes_back_answered(bus: Bus, provider: Provider) -> None:
    [offset] = await bus.submit({"prompt": "Summarise"}, partition=2)
    async with running(settings(bus, provider.url)):
        [result] = await bus.results(1)
    [routed] = await bus.records(catalog.TASK_ROUTED)
    [call] = await bus.records(catalog.CALL_COMPLETED)
    [record] = await bus.records(catalog.TASK_COMPLETED)
    assert result["status"] == "completed"
    assert result["answer"]["content"] == "small answers"
    assert result["cost_usd"] == pytest.approx(15e-6)
    source = f"{bus.name(catalog.TASK_SUBMITTED)}:2:{offset}"
    for derived in (routed, call, record):
        assert derived.partition == 2
        assert derived.key == result["task_id"].encode()
        assert header(derived.headers, SOURCE_HEADER) == source
    assert routed.timestamp <= call.timestamp
    assert provider.keys == [call_id_of(result["decision_id"], 0, 0)]
    assert await position(bus, 2) == offset + 1


async def test_a_failing_model_is_left_for_the_next_of_the_plan(bus: Bus, provider: Provider) -> None:
    provider.down = {"small"}
    await bus.submit({"prompt": "Summarise", "task_id": "t"})
    async with running(settings(bus, provider.url)):
        [result] = await bus.results(1)
    assert result["model"] == "middle"
    assert [call["status"] for call in result["calls"]] == ["server", "ok"]


async def test_when_all_fail_the_result_says_what_was_tried(bus: Bus, provider: Provider) -> None:
    provider.down = {"small", "middle", "large"}
    await bus.submit({"prompt": "Summarise"})
    async with running(settings(bus, provider.url)):
        [result] = await bus.results(1)
    assert result["status"] == "failed"
    assert result["failure"]["code"] == "calls_failed"
    assert all(model in result["failure"]["message"] for model in provider.down)


BAD: dict[str, Any] = {
    "not JSON": b"{'prompt': 'x'}",
    "not UTF-8": b'{"prompt": "\xff\xfe"}',
    "null": None,
    "empty": b"",
    "wrong type": {"prompt": 7},
    "missing fields": {"tenant": "growth"},
    "two megabytes": {"prompt": "x" * 2_000_000},
    "absurd number": {"prompt": "x", "max_tokens": 10**30},
    "negative number": {"prompt": "x", "max_tokens": -1},
    "not an object": [1, 2, 3],
    "deep": b"[" * 100_000,
    "blank": {"prompt": "  "},
    "both": {"prompt": "x", "messages": [{"role": "user", "content": "y"}]},
    "unknown role": {"messages": [{"role": "wizard", "content": "y"}]},
    "deadline without zone": {"prompt": "x", "deadline": "2026-01-01T00:00:00"},
}


async def test_bad_values_end_as_dead_letters_and_the_partition_goes_on(bus: Bus, provider: Provider) -> None:
    offsets = await bus.submit(*BAD.values(), {"prompt": "good", "unknown_field": 1})
    async with running(settings(bus, provider.url)):
        [result] = await bus.results(1)
        await until(lambda: _reached(bus, offsets[-1] + 1))
    letters = await bus.records(catalog.TASK_FAILED)
    assert result["status"] == "completed"
    by_offset = {header(letter.headers, "__streams.errors.offset"): letter for letter in letters}
    assert len(letters) == len(BAD)
    for (name, value), offset in zip(BAD.items(), offsets, strict=False):
        letter = by_offset[str(offset)]
        assert letter.key == b"key", name
        assert header(letter.headers, "mine") == "kept", name
        assert header(letter.headers, "__streams.errors.message"), name
        if value is None or isinstance(value, bytes):
            assert letter.value == value, name


async def _reached(bus: Bus, offset: int) -> bool:
    return await position(bus) >= offset


async def test_a_record_without_key_and_value_is_a_dead_letter_too(bus: Bus, provider: Provider) -> None:
    from confluent_kafka import Producer  # noqa: PLC0415 - aiokafka refuses to send such a record

    producer = Producer({"bootstrap.servers": bus.bootstrap})
    producer.produce(bus.name(catalog.TASK_SUBMITTED), partition=0)
    assert producer.flush(10) == 0
    async with running(settings(bus, provider.url)):
        await until(lambda: _reached(bus, 1))
    [letter] = await bus.records(catalog.TASK_FAILED)
    assert letter.key is None
    assert letter.value is None


UNSERVABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a model that does not exist": ({"prompt": "x", "model": "gpt-99"}, "unknown_model"),
    "a deadline in the past": ({"prompt": "x", "deadline": "2020-01-01T00:00:00Z"}, "deadline_passed"),
    "a capability nobody has": (
        {"prompt": "x", "requirements": {"capabilities": ["smell"]}},
        "no_eligible_model",
    ),
    "a ceiling below every price": (
        {"prompt": "x", "requirements": {"max_cost_usd": 1e-12}},
        "no_eligible_model",
    ),
}


async def test_a_task_that_no_model_can_serve_fails_with_its_reason(bus: Bus, provider: Provider) -> None:
    await bus.submit(*({**task, "task_id": name} for name, (task, _) in UNSERVABLE.items()))
    async with running(settings(bus, provider.url)):
        results = await bus.results(len(UNSERVABLE))
    codes = {result["task_id"]: result["failure"]["code"] for result in results}
    assert codes == {name: code for name, (_, code) in UNSERVABLE.items()}
    assert all(result["status"] == "failed" and result["failure"]["message"] for result in results)
    assert provider.bodies == []


async def test_a_task_id_submitted_twice_is_answered_once(bus: Bus, provider: Provider) -> None:
    await bus.submit({"prompt": "x", "task_id": "same"}, {"prompt": "y", "task_id": "same"})
    async with running(settings(bus, provider.url)):
        await until(lambda: _reached(bus, 2))
    [letter] = await bus.records(catalog.TASK_FAILED)
    assert "submitted before" in (header(letter.headers, "__streams.errors.message") or "")
    assert len(await bus.events(catalog.TASK_COMPLETED)) == 1
    assert len(provider.bodies) == 1


async def test_a_failed_task_may_be_submitted_again_under_its_id(bus: Bus, provider: Provider) -> None:
    provider.down = {"small", "middle", "large"}
    configured = settings(bus, provider.url)
    async with running(configured):
        await bus.submit({"prompt": "x", "task_id": "again"})
        await bus.results(1)
        provider.down = set()
        await bus.submit({"prompt": "x", "task_id": "again"})
        results = await bus.results(2)
    assert [result["status"] for result in results] == ["failed", "completed"]


async def test_a_slow_call_does_not_block_its_partition(bus: Bus, provider: Provider) -> None:
    slow, *_ = await bus.submit({"prompt": "wait", "task_id": "slow"}, *({"prompt": "x"} for _ in range(20)))
    async with running(settings(bus, provider.url)):
        results = await bus.results(20)
        assert "slow" not in {result["task_id"] for result in results}
        assert await position(bus) <= slow
        provider.gate.set()
        await bus.results(21)
        await until(lambda: _reached(bus, slow + 21))


async def test_intake_stops_at_its_bound_and_goes_on_below_it(bus: Bus, provider: Provider) -> None:
    await bus.submit({"prompt": "wait"}, *({"prompt": "x"} for _ in range(60)))
    async with running(settings(bus, provider.url, max_open_tasks=20, batch=5)) as router:
        await until(lambda: _paused(router) == 1)
        read = await bus.count(catalog.TASK_ROUTED)
        assert 20 <= read <= 25
        provider.gate.set()
        await bus.results(61)
        assert _paused(router) == 0


def _paused(router: Router) -> float:
    value: float = router.metrics.paused._value.get()
    return value


async def test_calls_in_flight_stay_within_the_bounds(bus: Bus, provider: Provider) -> None:
    await bus.submit(*({"prompt": "wait"} for _ in range(30)))
    async with running(settings(bus, provider.url, max_calls=4)) as router:
        await until(lambda: len(provider.bodies) >= 4)
        await until(lambda: router.metrics.read._value.get() >= 5)
        assert len(provider.bodies) == 4
        provider.gate.set()
        await bus.results(30)


async def test_an_answer_too_large_for_its_topic_fails_with_a_reason(bus: Bus, provider: Provider) -> None:
    await bus.submit({"prompt": "huge"})
    async with running(settings(bus, provider.url)):
        [result] = await bus.results(1)
    assert result["failure"]["code"] == "result_too_large"
    [call] = await bus.events(catalog.CALL_COMPLETED)
    assert call["cost_nusd"] == 15_000


async def test_decide_only_publishes_decisions_and_calls_nobody(bus: Bus, provider: Provider) -> None:
    await bus.submit(*({"prompt": f"x {n}"} for n in range(10)))
    async with running(settings(bus, provider.url, decide_only=True)):
        await until(lambda: _reached(bus, 10))
    assert len(await bus.events(catalog.TASK_ROUTED)) == 10
    assert provider.bodies == []


async def test_batch_tasks_are_served_too(bus: Bus, provider: Provider) -> None:
    await bus.submit({"prompt": "x"}, topic=catalog.TASK_SUBMITTED_BATCH, partition=1)
    async with running(settings(bus, provider.url)):
        [result] = await bus.results(1)
    assert result["source"].startswith(bus.name(catalog.TASK_SUBMITTED_BATCH))


async def test_the_probes_tell_how_it_is(bus: Bus, provider: Provider) -> None:
    await bus.submit({"prompt": "wait"})
    configured = settings(bus, provider.url, stall_after_s=0.5)
    async with running(configured) as router, httpx.AsyncClient() as client:
        base = f"http://127.0.0.1:{router.probe_port}"
        await until(lambda: len(provider.bodies) == 1)
        assert (await client.get(f"{base}/readyz")).json()["partitions"] == 2 * PARTITIONS
        metrics = (await client.get(f"{base}/metrics")).text
        assert "sluice_tasks_read_total 1.0" in metrics

        async def stalled() -> bool:
            return (await client.get(f"{base}/healthz")).status_code == 503

        await until(stalled)
        provider.gate.set()
        await bus.results(1)

        async def well() -> bool:
            return (await client.get(f"{base}/healthz")).status_code == 200

        await until(well)


async def test_the_policy_it_runs_with_is_published_without_secrets(bus: Bus, provider: Provider) -> None:
    async with running(settings(bus, provider.url)):
        pass
    [policy] = await bus.events(catalog.POLICY)
    assert [model["name"] for model in policy["registry"]["models"]] == ["small", "middle", "large"]
    assert provider.url not in str(policy)


@pytest.mark.timeout(120)
async def test_arbitrary_bytes_never_stop_the_loop(bus: Bus, provider: Provider) -> None:
    values: list[bytes] = []

    @hypothesis_settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
    def collect(value: bytes) -> None:
        values.append(value)

    await asyncio.to_thread(collect)
    offsets = await bus.submit(*values, {"prompt": "still here", "task_id": "last"})
    async with running(settings(bus, provider.url)):
        await until(lambda: _reached(bus, offsets[-1] + 1))
    letters = await bus.records(catalog.TASK_FAILED)
    results = await bus.events(catalog.TASK_COMPLETED)
    assert len(letters) + len(results) == len(values) + 1
    assert "last" in {result["task_id"] for result in results}
