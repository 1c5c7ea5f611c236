"""How do I ask a question and wait for its answer, with aiokafka?

    python examples/produce_and_read_aiokafka.py "Say hello in French."

A task is a JSON object on `sluice.task.submitted.v1`; its result comes on `sluice.task.completed.v1` with the same
`task_id`. Nothing of Sluice is imported. `--brokers` (or KAFKA_BROKERS) names the brokers, localhost:9092 without;
`--prefix` (or SLUICE_PREFIX) what topic names begin with.
"""

# ruff: noqa: INP001, T201 - a program of its own, which prints

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

TIMEOUT_S = 60.0


async def ask(prompt: str, *, brokers: str, prefix: str) -> dict[str, Any]:
    """Publish a task and wait for its result.

    Raises:
        TimeoutError: no result came. A task that Sluice could not read is in `task.failed.v1`: `sluice dlq list`.
    """
    task_id = str(uuid.uuid4())
    key = task_id.encode()
    value = json.dumps({"task_id": task_id, "type": "example", "prompt": prompt, "max_tokens": 200}).encode()
    # Without a group: one that waits for its own answer shares no work with others.
    results = AIOKafkaConsumer(f"{prefix}.task.completed.v1", bootstrap_servers=brokers)
    async with asyncio.timeout(TIMEOUT_S), results:
        await results.seek_to_end()  # before the task goes out, so that its result cannot be missed
        async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
            await producer.send_and_wait(f"{prefix}.task.submitted.v1", value, key=key)
        async for record in results:
            if record.key == key:
                found: dict[str, Any] = json.loads(record.value)
                return found
    raise TimeoutError


def main() -> int:
    """Print the answer; 1 where there is none."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("prompt", nargs="?", default="Say hello in French.")
    arguments.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    arguments.add_argument("--prefix", default=os.environ.get("SLUICE_PREFIX", "sluice"))
    given = arguments.parse_args()
    result = asyncio.run(ask(given.prompt, brokers=given.brokers, prefix=given.prefix))
    if result["status"] != "completed":
        print(result["failure"]["message"], file=sys.stderr)
        return 1
    print(result["answer"]["content"])
    print(f"{result['model']}, ${result['cost_usd']:.6f}, {result['latency_s']:.2f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
