"""Running `sluice` as a process, in a folder of its own, and being what is at the other end of the bus."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.bus.tail import read_to_end
from streams.bus.topology import admin_client
from topics import catalog, codec, events, provision
from topics.headers import SOURCE_HEADER, Source, dead_letter_headers, result_id_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from topics.catalog import Topic
    from topics.headers import Headers

PROJECT = Path(__file__).parents[2]
PARTITIONS = 3
DEADLINE_S = 60.0

MODELS = """\
providers:
  local: {base_url: "http://127.0.0.1:9/v1", api_key: "${A_KEY_THAT_IS_NOT_SET}"}
models:
  - {name: small, provider: local, tier: efficient, prices: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4}}
  - {name: middle, provider: local, tier: standard, prices: {input_usd_per_mtok: 1, output_usd_per_mtok: 4}}
  - name: large
    provider: local
    tier: premium
    prices: {input_usd_per_mtok: 10, output_usd_per_mtok: 40}
    capabilities: [tools, json, vision]
policy:
  rules:
    - {name: sql, when: {type: sql}, use: {models: middle}}
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int | None
    out: bytes
    error: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [orjson.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Folder:
    """Where commands run."""

    path: Path

    def with_models(self) -> Folder:
        self.write("sluice.yaml", MODELS)
        return self

    def write(self, name: str, content: str | bytes) -> str:
        (self.path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    async def start(self, *arguments: str, **environ: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "streams.cli",
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "100", **environ},
        )

    async def run(self, *arguments: str, given: bytes = b"", **environ: str) -> Ended:
        """Run `sluice` to its end."""
        return await ended(await self.start(*arguments, **environ), given)


async def ended(process: Process, given: bytes = b"") -> Ended:
    """Wait for a command."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, error = await process.communicate(given)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode, out, error.decode())


@dataclass(frozen=True)
class Bus:
    """The topics of one test, and commands that use them."""

    bootstrap: str
    prefix: str
    folder: Folder

    def name(self, topic: Topic) -> str:
        return topic.full_name(self.prefix)

    @property
    def _options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap}

    @property
    def _here(self) -> tuple[str, ...]:
        return ("--brokers", self.bootstrap, "--prefix", self.prefix)

    async def apply(self) -> None:
        async with admin_client(self._options) as admin:
            await provision.apply(admin, prefix=self.prefix, partitions=PARTITIONS, replication=1)

    async def start(self, *arguments: str) -> Process:
        return await self.folder.start(*arguments, *self._here)

    async def run(self, *arguments: str, given: bytes = b"", **environ: str) -> Ended:
        return await self.folder.run(*arguments, *self._here, given=given, **environ)

    async def read(self, topic: Topic) -> list[Any]:
        """All records there are."""
        places = {TopicPartition(self.name(topic), partition): None for partition in range(PARTITIONS)}
        return [r async for _, records in read_to_end(self._options, places) for r in records]

    async def read_at_least(self, topic: Topic, count: int) -> list[Any]:
        """The records there are, once there are so many."""
        found: list[Any] = []
        async with asyncio.timeout(DEADLINE_S), AIOKafkaConsumer(**self._options) as consumer:
            places = [TopicPartition(self.name(topic), partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        return found

    async def produce(
        self,
        topic: Topic,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Any] = (),
    ) -> int:
        """Write one record; its offset."""
        async with AIOKafkaProducer(**self._options) as producer:
            done = await producer.send_and_wait(
                self.name(topic), value, key, partition=partition, headers=list(headers)
            )
        offset: int = done.offset
        return offset

    async def complete(self, task: Any, **changes: Any) -> events.TaskCompleted:
        """Publish a result for the record of a task, as a router would."""
        source = str(Source(task.topic, task.partition, task.offset))
        task_id = orjson.loads(task.value)["task_id"]
        result = replace(a_result(task_id, source), **changes)
        headers: Headers = [(SOURCE_HEADER, source.encode())]
        await self.produce(
            catalog.TASK_COMPLETED, task.partition, task_id.encode(), codec.encode(result), headers
        )
        return result

    async def bury(self, source: Source, key: bytes | None, value: bytes | None, headers: Headers) -> str:
        """Publish a dead letter, as a router would; its position."""
        letter = dead_letter_headers(
            headers,
            source=source,
            exception="NotJson",
            message="not JSON at line 1; publish JSON",
            stage="json",
        )
        offset = await self.produce(catalog.TASK_FAILED, source.partition, key, value, letter)
        return f"{source.partition}:{offset}"


def a_result(task_id: str, source: str) -> events.TaskCompleted:
    return events.TaskCompleted(
        result_id=result_id_of(f"decision-{task_id}"),
        task_id=task_id,
        source=source,
        status=events.ResultStatus.COMPLETED,
        decision_id="decision",
        completed_at=1_700_000_000.0,
        type="general",
        tenant="default",
        answer=events.Answer("It is 42.\nBecause it is."),
        model="small",
        tier="efficient",
        cost_usd=0.001,
        baseline_usd=0.01,
        latency_s=1.5,
    )


def json_lines(objects: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in objects)
