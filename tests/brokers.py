"""The brokers that tests use: which one this machine offers, as pytest fixtures.

`broker` is shared by a whole run: the first of SLUICE_TEST_BROKERS, Docker, Apache Kafka on the local
JVM, Tansu. The end of the run says which one it was, and why not those before it. `own_broker` starts
private brokers, which a test may kill and restart. Knows nothing of topics, but for a prefix that keeps
tests apart.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, Protocol

import pytest
import pytest_asyncio

from streams.embedded.broker import EmbeddedBroker, Machine, NoBrokerError
from streams.embedded.broker.kafka_jvm import SINGLE_BROKER
from streams.embedded.broker.ports import LOOPBACK, pick_free
from streams.embedded.broker.ready import any_answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from testcontainers.core.container import DockerContainer

IMAGE: Final = "apache/kafka:4.4.0"
_CONTAINER_DEADLINE_S: Final = 60.0
_POLL_S: Final = 0.1
_USED: Final = pytest.StashKey[list[str]]()


class NotUsableError(Exception):
    """A way to get a broker that does not work here; the message is the reason."""


async def _nothing_to_stop() -> None:
    """Leave a broker alone that somebody else runs."""


@dataclass(frozen=True, slots=True)
class BrokerInUse:
    """The broker of a test run."""

    bootstrap: str
    kind: Literal["given", "docker", "kafka", "tansu"]
    idempotent: bool
    """Whether idempotent and transactional producers work."""
    description: str
    passed_over: Mapping[str, str] = field(default_factory=dict)
    stop: Callable[[], Awaitable[None]] = _nothing_to_stop

    def lines(self) -> list[str]:
        """What the run says of it."""
        passed_over = [f"  not {way}: {reason.splitlines()[0]}" for way, reason in self.passed_over.items()]
        return [self.description, *passed_over]


async def choose_test_broker(
    environ: Mapping[str, str],
    machine: Machine,
    *,
    start_in_docker: Callable[[Mapping[str, str]], Awaitable[BrokerInUse]] | None = None,
    given_deadline_s: float = 15.0,
) -> BrokerInUse:
    """Find or start the broker of a test run. The caller stops it.

    Args:
        environ: may hold SLUICE_TEST_BROKERS.
        machine: where to look for Java, jars and Tansu.
        start_in_docker: given why earlier ways were passed over, starts a container or raises NotUsableError.
        given_deadline_s: how long the brokers of SLUICE_TEST_BROKERS may take to answer.

    Raises:
        NotUsableError: SLUICE_TEST_BROKERS is set and nothing answers there. What was asked for by name is
            not replaced in silence.
        NoBrokerError: there is no broker to be had.
    """
    given = environ.get("SLUICE_TEST_BROKERS")
    if given:
        return await _given(given, given_deadline_s)
    passed_over = {"SLUICE_TEST_BROKERS": "it is not set"}
    try:
        return await (start_in_docker or _in_docker)(passed_over)
    except NotUsableError as error:
        passed_over["Docker"] = str(error)
    embedded = EmbeddedBroker(machine=machine)
    await embedded.start()
    return BrokerInUse(
        bootstrap=embedded.bootstrap,
        kind=embedded.kind,
        idempotent=embedded.idempotent,
        description=embedded.describe(),
        passed_over=passed_over,
        stop=embedded.stop,
    )


async def _given(bootstrap: str, deadline_s: float) -> BrokerInUse:
    if not await _answers(bootstrap, deadline_s):
        reason = (
            f"SLUICE_TEST_BROKERS={bootstrap}, but no broker answers there; start it or unset the variable"
        )
        raise NotUsableError(reason)
    return BrokerInUse(
        bootstrap=bootstrap,
        kind="given",
        idempotent=True,
        description=f"the brokers of SLUICE_TEST_BROKERS at {bootstrap}.",
    )


async def _in_docker(passed_over: Mapping[str, str]) -> BrokerInUse:
    _ask_engine()
    port = pick_free()
    bootstrap = f"{LOOPBACK}:{port}"
    container = _container(port)
    with ExitStack() as on_failure:
        on_failure.callback(container.stop)
        try:
            container.start()
        except Exception as error:
            reason = f"the image {IMAGE} could not be started: {error}"
            raise NotUsableError(reason) from error
        if not await _answers(bootstrap, _CONTAINER_DEADLINE_S):
            reason = f"the image {IMAGE} was started but did not serve within {_CONTAINER_DEADLINE_S:.0f} s"
            raise NotUsableError(reason)
        on_failure.pop_all()

    async def stop() -> None:
        container.stop()

    return BrokerInUse(
        bootstrap=bootstrap,
        kind="docker",
        idempotent=True,
        description=f"Apache Kafka ({IMAGE}) in Docker at {bootstrap}.",
        passed_over=passed_over,
        stop=stop,
    )


def _ask_engine() -> None:
    try:
        import_module("docker").from_env(timeout=5).ping()
    except Exception as error:
        reason = f"no Docker engine answers ({type(error).__name__})"
        raise NotUsableError(reason) from error


def _container(port: int) -> DockerContainer:
    """One broker; it is told to advertise the port under which it can be reached from here."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where Docker is

    properties = {
        **SINGLE_BROKER,
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@127.0.0.1:9093",  # the image formats its storage for a static quorum
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "log.dirs": "/tmp/kafka-data",  # noqa: S108 - inside the container
    }
    container = DockerContainer(IMAGE).with_bind_ports(port, port)
    for name, value in properties.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    return container


async def _answers(bootstrap: str, deadline_s: float) -> bool:
    until = time.monotonic() + deadline_s
    while not await any_answers(bootstrap):
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(_POLL_S)
    return True


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[BrokerInUse]:
    """The broker shared by all tests of this run. Use `topic_prefix` to keep out of each other's way."""
    # A loop of its own, in the main thread: the broker is bound to no loop, but is killed with its thread.
    loop = asyncio.new_event_loop()
    try:
        try:
            in_use = loop.run_until_complete(choose_test_broker(os.environ, Machine.here()))
        except (NotUsableError, NoBrokerError) as error:
            pytest.fail(str(error), pytrace=False)
        pytestconfig.stash[_USED] = in_use.lines()
        yield in_use
        loop.run_until_complete(in_use.stop())
    finally:
        loop.close()


class StartOwnBroker(Protocol):
    """Starts a private Apache Kafka that ends with the test."""

    async def __call__(self, *, port: int | None = None, data_dir: Path | None = None) -> EmbeddedBroker:
        """Start one; skips the test, with the reason, where only Tansu could be had."""


@pytest_asyncio.fixture
async def own_broker() -> AsyncIterator[StartOwnBroker]:
    """Start private brokers, on the local JVM, that the test may kill and restart."""
    async with AsyncExitStack() as started:

        async def start(*, port: int | None = None, data_dir: Path | None = None) -> EmbeddedBroker:
            try:
                return await started.enter_async_context(
                    EmbeddedBroker("kafka", port=port, data_dir=data_dir)
                )
            except NoBrokerError as error:
                pytest.skip(f"needs Apache Kafka on the local JVM: {error.reasons['kafka']}")

        yield start


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix that no other test has."""
    return f"t-{uuid.uuid4().hex[:12]}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which broker the run used."""
    if lines := config.stash.get(_USED, None):
        terminalreporter.write_sep("-", "broker of this run")
        for line in lines:
            terminalreporter.write_line(line)
