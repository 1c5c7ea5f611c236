"""Topics on a broker: create what is missing, report what differs.

Nothing is ever deleted or altered: what differs is for a person to decide. The admin client is started and
closed by the caller.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import errors as kafka_errors
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from topics.catalog import TOPICS, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka.admin import AIOKafkaAdminClient

NOT_COMPARED = "could not be compared"
"""What `Difference.actual` begins with where the broker did not tell."""

_POLL_S = 0.05


class ProvisionError(Exception):
    """A topic could not be created, or did not appear in time.

    Attributes:
        topic: full name of the (first) topic.
        reason: what the broker said.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"{topic}: {reason}")
        self.topic = topic
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did. Full names, in the catalog's order."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    """Were there already, whoever made them; `check` tells whether they are as they should be."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the broker is not what the catalog says."""

    topic: str
    what: str
    """`topic` for one that is missing, `partitions`, or the name of a Kafka setting."""
    expected: str
    actual: str
    compared: bool = True
    """False: the broker did not tell, so nothing is known; `actual` says why."""

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} should be {self.expected}, is {self.actual}"


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """One topic, as it should be and as it is."""

    name: str
    """With the prefix."""
    events: tuple[str, ...]
    """Names of the event types."""
    partitions: int
    """As the catalog wants it."""
    retention_s: int | None
    """None: kept for ever."""
    cleanup: str
    internal: bool
    exists: bool
    actual_partitions: int | None
    """None: the topic does not exist."""


async def apply(
    admin: AIOKafkaAdminClient,
    *,
    prefix: str,
    partitions: int,
    replication: int,
    deadline_s: float = 30.0,
) -> Applied:
    """Create the topics that are missing and wait until every partition has a leader.

    Raises:
        ProvisionError: a topic was refused, or had no leader after `deadline_s`.
        KafkaError: the broker cannot be talked to.
    """
    there = await _partition_counts(admin)
    missing = [topic for topic in TOPICS if topic.full_name(prefix) not in there]
    created: set[str] = set()
    if missing:
        new = [_new_topic(topic, prefix, partitions, replication) for topic in missing]
        created = _accepted(await admin.create_topics(new))
        await _wait_for_leaders(admin, {one.name for one in new}, deadline_s)
    names = [topic.full_name(prefix) for topic in TOPICS]
    return Applied(
        created=tuple(name for name in names if name in created),
        existing=tuple(name for name in names if name not in created),
    )


async def check(admin: AIOKafkaAdminClient, *, prefix: str, partitions: int) -> list[Difference]:
    """Where the broker differs from the catalog: missing topics, partitions, and the settings it declares.

    The replication factor is not compared: clusters place replicas by rules of their own.

    Raises:
        KafkaError: the broker cannot be talked to.
    """
    there = await _partition_counts(admin)
    present = [topic.full_name(prefix) for topic in TOPICS if topic.full_name(prefix) in there]
    configs = await _configs(admin, present)
    found: list[Difference] = []
    for topic in TOPICS:
        name = topic.full_name(prefix)
        if name not in there:
            found.append(Difference(name, "topic", "present", "missing"))
            continue
        wanted = topic.partitions(partitions)
        if there[name] != wanted:
            found.append(Difference(name, "partitions", str(wanted), str(there[name])))
        found.extend(_config_differences(name, topic.configs(), configs[name]))
    return found


async def describe(admin: AIOKafkaAdminClient, *, prefix: str, partitions: int) -> list[TopicInfo]:
    """Every topic of the catalog, and whether the broker has it.

    Raises:
        KafkaError: the broker cannot be talked to.
    """
    there = await _partition_counts(admin)
    return [
        TopicInfo(
            name=topic.full_name(prefix),
            events=tuple(event.__name__ for event in topic.event_types),
            partitions=topic.partitions(partitions),
            retention_s=topic.retention_s,
            cleanup=topic.cleanup.value,
            internal=topic.internal,
            exists=topic.full_name(prefix) in there,
            actual_partitions=there.get(topic.full_name(prefix)),
        )
        for topic in TOPICS
    ]


def _new_topic(topic: Topic, prefix: str, partitions: int, replication: int) -> NewTopic:
    return NewTopic(
        topic.full_name(prefix), topic.partitions(partitions), replication, topic_configs=topic.configs()
    )


def _accepted(response: Any) -> set[str]:  # noqa: ANN401 - aiokafka's responses are untyped
    """Names that this request created; one that another created meanwhile is not among them."""
    created: set[str] = set()
    for name, code, *message in response.topic_errors:
        if code == 0:
            created.add(name)
        elif code != kafka_errors.TopicAlreadyExistsError.errno:
            said = message[0] if message and message[0] else kafka_errors.for_code(code).description
            raise ProvisionError(name, str(said))
    return created


async def _all_topics(admin: AIOKafkaAdminClient) -> list[dict[str, Any]]:
    """Metadata of all topics. Asking for named ones would create them on brokers that auto-create."""
    described: list[dict[str, Any]] = await admin.describe_topics()
    return described


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {one["topic"]: len(one["partitions"]) for one in await _all_topics(admin)}


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: set[str], deadline_s: float) -> None:
    waiting = names
    try:
        async with asyncio.timeout(deadline_s):
            while waiting := names - _led(await _all_topics(admin)):  # noqa: ASYNC110 - a broker notifies nobody
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        reason = f"created, but without a leader for every partition after {deadline_s:g} s"
        raise ProvisionError(min(waiting), reason) from None


def _led(described: Iterable[dict[str, Any]]) -> set[str]:
    """Topics of which every partition has a leader."""
    return {
        one["topic"]
        for one in described
        if one["error_code"] == 0
        and one["partitions"]
        and all(part["error_code"] == 0 and part["leader"] >= 0 for part in one["partitions"])
    }


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str] | str]:
    """Settings by topic; a text where the broker did not tell, with its reason."""
    if not names:
        return {}
    wanted = dict.fromkeys(TOPICS[0].configs())
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
    try:
        responses = await admin.describe_configs(resources)
    except kafka_errors.KafkaError as error:
        reason = f"{NOT_COMPARED}: the broker gave no answer about settings ({type(error).__name__})"
        return dict.fromkeys(names, reason)
    told: dict[str, dict[str, str] | str] = dict.fromkeys(names, f"{NOT_COMPARED}: the broker left it out")
    for response in responses:
        for code, message, _, name, entries, *_ in response.resources:
            if code:
                said = message or type(kafka_errors.for_code(code)()).__name__
                told[name] = f"{NOT_COMPARED}: {said}"
            else:
                told[name] = {entry[0]: entry[1] for entry in entries}
    return told


def _config_differences(
    name: str, expected: Mapping[str, str], actual: Mapping[str, str] | str
) -> list[Difference]:
    if isinstance(actual, str):
        return [Difference(name, ", ".join(expected), "as declared", actual, compared=False)]
    found: list[Difference] = []
    for key, value in expected.items():
        if key == "retention.ms" and expected["cleanup.policy"] == "compact":
            continue  # a compacted topic has no retention: brokers keep -1 or their default, with no effect
        if key not in actual:
            found.append(
                Difference(
                    name, key, value, f"{NOT_COMPARED}: not among what the broker told", compared=False
                )
            )
        elif _normal(actual[key]) != _normal(value):
            found.append(Difference(name, key, value, actual[key]))
    return found


def _normal(value: str) -> frozenset[str]:
    """A setting's value; lists like `compact,delete` without regard to order."""
    return frozenset(value.replace(" ", "").split(","))
