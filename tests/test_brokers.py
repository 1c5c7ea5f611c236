"""The broker that a test run uses: the order of choice, and that nothing is passed over in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.embedded.broker import EmbeddedBroker, Machine
from streams.embedded.broker.ports import LOOPBACK, pick_free
from streams.embedded.broker.ready import any_answers
from tests.brokers import BrokerInUse, NotUsableError, choose_test_broker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Java."""
    return Machine(path="", cache_dir=tmp_path, temp_dir=tmp_path)


async def _docker_works(passed_over: Mapping[str, str]) -> BrokerInUse:
    return BrokerInUse("127.0.0.1:1", "docker", idempotent=True, description="d", passed_over=passed_over)


async def _docker_fails(passed_over: Mapping[str, str]) -> BrokerInUse:
    del passed_over
    reason = "no Docker engine answers"
    raise NotUsableError(reason)


@pytest.mark.bus
async def test_brokers_that_are_given_are_used_and_left_running(machine: Machine) -> None:
    async with EmbeddedBroker("tansu", machine=machine) as running:
        chosen = await choose_test_broker({"SLUICE_TEST_BROKERS": running.bootstrap}, machine)
        await chosen.stop()

        assert (chosen.kind, chosen.bootstrap) == ("given", running.bootstrap)
        assert await any_answers(running.bootstrap)


async def test_given_brokers_that_do_not_answer_are_not_replaced(machine: Machine) -> None:
    nobody = f"{LOOPBACK}:{pick_free()}"

    with pytest.raises(NotUsableError, match="no broker answers there"):
        await choose_test_broker({"SLUICE_TEST_BROKERS": nobody}, machine, given_deadline_s=0.2)


async def test_docker_comes_before_a_broker_on_this_machine(machine: Machine) -> None:
    chosen = await choose_test_broker({}, machine, start_in_docker=_docker_works)

    assert chosen.kind == "docker"


@pytest.mark.bus
async def test_without_docker_and_java_tansu_is_used_and_every_reason_told(machine: Machine) -> None:
    chosen = await choose_test_broker({}, machine, start_in_docker=_docker_fails)
    await chosen.stop()

    assert chosen.kind == "tansu"
    told = "\n".join(chosen.lines())
    assert "not SLUICE_TEST_BROKERS: it is not set" in told
    assert "not Docker: no Docker engine answers" in told
    assert "Apache Kafka was passed over because there is no `java` on PATH" in told


@pytest.mark.bus
async def test_the_shared_broker_serves(broker: BrokerInUse, topic_prefix: str) -> None:
    assert await any_answers(broker.bootstrap)
    assert topic_prefix.startswith("t-")
