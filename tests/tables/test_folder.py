"""The way of a batch: what is written in which order, and what happens when records are missing or come twice."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from streams.tables.folder import STALLED_AFTER_S, Folder
from streams.tables.folds import POSITION_KEY
from streams.tables.metrics import TablesMetrics
from streams.tables.snapshots import Snapshots
from streams.tables.storage import TableTopics, table_key
from tests.calls import NOW, completed
from topics.codec import encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streams.bus.producer import Outgoing

TOPICS = TableTopics.of("t")
POSITION = table_key(0, POSITION_KEY)


@dataclass
class Call:
    """A record of the source."""

    offset: int
    value: bytes | None = field(default_factory=lambda: encode(completed()))
    generation_id: int | None = 1
    topic: str = TOPICS.source
    partition: int = 0
    key: bytes | None = b"task"
    headers: Any = ()


class Bus:
    """A source that can be read, and a log of what was written. Writes of topics in `down` fail."""

    def __init__(self, *offsets: int) -> None:
        self.source = [Call(offset) for offset in offsets]
        self.written: list[tuple[str, bytes | None]] = []
        self.down: set[str] = set()
        self.read_from: list[tuple[int, int]] = []

    async def send(self, record: Outgoing) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if record.topic in self.down:
            raise ConnectionError(record.topic)
        self.written.append((record.topic, record.key))
        future.set_result(None)
        return future

    async def settle(self, record: Outgoing, pending: asyncio.Future[Any]) -> int:
        await pending
        assert (record.topic, record.key) in self.written
        return len(self.written)

    async def publish(self, record: Outgoing) -> int:
        return await self.settle(record, await self.send(record))

    async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[list[Call], None]:
        assert partition == 0
        self.read_from.append((start, end))
        for call in self.source:
            if start <= call.offset < end:
                yield [call]

    def keys(self, topic: str) -> list[bytes | None]:
        return [key for name, key in self.written if name == topic]


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


async def folder_on(bus: Bus, clock: Clock | None = None) -> Folder:
    clock, metrics = clock or Clock(), TablesMetrics()
    snapshots = Snapshots(TOPICS.state, bus, metrics, clock)
    folder = Folder(TOPICS, bus, bus.read, snapshots, metrics, clock)
    await folder.own({}, [0])
    return folder


def total(folder: Folder) -> tuple[int, int]:
    """Calls counted, and the next offset."""
    position = folder.partitions[0].partials()[POSITION_KEY]
    assert not hasattr(position, "buckets")
    return position.total.calls, folder.partitions[0].next_offset


def present() -> int:
    return 1


async def test_the_position_is_written_after_everything_else() -> None:
    bus = Bus()
    folder = await folder_on(bus)

    await folder.fold([Call(0), Call(1)], present)

    keys = bus.keys(TOPICS.changelog)
    assert keys[-1] == POSITION
    assert keys.count(POSITION) == 1
    assert len(keys) == len(set(keys)) == 6


async def test_nothing_is_published_before_it_is_stored() -> None:
    bus = Bus()
    folder = await folder_on(bus)
    await folder.snapshots.publish()
    bus.written.clear()
    bus.down.add(TOPICS.changelog)

    with pytest.raises(ConnectionError):
        await folder.fold([Call(0)], present)
    await folder.snapshots.publish()

    assert bus.written == []


async def test_records_that_were_left_out_are_read_first() -> None:
    bus = Bus(*range(6))
    folder = await folder_on(bus)

    await folder.fold([Call(0), Call(4), Call(5)], present)

    assert total(folder) == (6, 6)
    assert bus.read_from == [(1, 4)]


async def test_offsets_that_hold_no_record_are_passed_over() -> None:
    bus = Bus(0, 7)
    folder = await folder_on(bus)

    await folder.fold([Call(0), Call(7)], present)

    assert total(folder) == (2, 8)


async def test_records_that_come_again_count_once() -> None:
    folder = await folder_on(Bus())

    await folder.fold([Call(0), Call(1), Call(0), Call(1), Call(2)], present)
    await folder.fold([Call(1), Call(2), Call(3)], present)

    assert total(folder) == (4, 4)
    assert folder.metrics.registry.get_sample_value("sluice_tables_duplicates_skipped_total") == 4


async def test_records_of_another_generation_are_passed_over() -> None:
    bus = Bus()
    folder = await folder_on(bus)

    await folder.fold([Call(0, generation_id=0), Call(1, generation_id=2)], present)

    assert folder.partitions[0].next_offset == 0
    assert bus.keys(TOPICS.changelog) == []


async def test_reading_ends_when_the_partitions_change_hands() -> None:
    bus = Bus(*range(5))
    folder = await folder_on(bus)
    generations = iter([1, 1, 1, 2, 2, 2])

    await folder.fold([Call(4)], lambda: next(generations))

    assert total(folder)[0] < 4
    assert folder.partitions[0].next_offset == total(folder)[0]


async def test_a_partition_that_stands_still_is_read_to_its_end() -> None:
    bus, clock = Bus(0, 1, 2), Clock()
    folder = await folder_on(bus, clock)

    await folder.catch_up({0: 3}, present)
    at_once = folder.partitions[0].next_offset
    clock.now += STALLED_AFTER_S + 1
    await folder.catch_up({0: 3}, present)

    assert at_once == 0
    assert total(folder) == (3, 3)


async def test_a_partition_at_its_end_is_left_alone() -> None:
    bus, clock = Bus(), Clock()
    folder = await folder_on(bus, clock)
    await folder.fold([Call(0)], present)

    for _ in range(3):
        clock.now += STALLED_AFTER_S + 1
        await folder.catch_up({0: 1}, present)

    assert bus.read_from == []


async def test_a_dead_letter_topic_that_fails_stops_the_partition_and_drops_nothing() -> None:
    bus = Bus()
    folder = await folder_on(bus)
    bus.down.add(TOPICS.dead_letters)

    with pytest.raises(ConnectionError):
        await folder.fold([Call(0), Call(1, value=b"{"), Call(2)], present)

    assert bus.keys(TOPICS.changelog) == []


async def test_giving_partitions_away_waits_for_the_batch_in_work() -> None:
    bus = Bus(*range(3))
    folder = await folder_on(bus)
    order: dict[str, int] = defaultdict(int)

    async def fold() -> None:
        await folder.fold([Call(2)], present)
        order["stored"] = len(bus.written)

    async def disown() -> None:
        await folder.disown()
        order["given away"] = len(bus.written)

    await asyncio.gather(fold(), disown())

    assert order["given away"] == order["stored"] > 0
    assert folder.partitions == {}


async def test_a_recovered_table_is_published_once_and_taken_up() -> None:
    bus = Bus()
    folder = await folder_on(bus)
    await folder.fold([Call(0), Call(1)], present)
    table = {table_key(0, key): encode(partial) for key, partial in folder.partitions[0].partials().items()}
    bus.written.clear()

    await folder.own(table, [0])
    await folder.snapshots.publish()
    await folder.fold([Call(1), Call(2)], present)

    assert bus.keys(TOPICS.state) == [
        b"health|model:small|0",
        *(f"spend|{scope}|0".encode() for scope in ("model:small", "provider:sim", "tenant:default")),
        b"spend|type:general|0",
        b"spend|all|0",
    ]
    assert total(folder) == (3, 3)
