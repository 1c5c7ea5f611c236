"""How do I send a file of tasks and read the results as a service does, with confluent-kafka (librdkafka)?

    python examples/produce_and_read_confluent.py examples/tasks.jsonl

The results are read in a consumer group: start more of it and they share the work, stop it and it goes on where
it was. A result may come twice (after a router crashed between writing it and committing), always with the same
`ce_id`, so repeats are dropped by that. Nothing of Sluice is imported. `--brokers` (or KAFKA_BROKERS) names the
brokers, localhost:9092 without; `--prefix` (or SLUICE_PREFIX) what topic names begin with.
"""

# ruff: noqa: INP001, T201 - a program of its own, which prints

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

TIMEOUT_S = 120.0


def send(tasks: list[dict[str, Any]], *, brokers: str, prefix: str) -> None:
    """Publish tasks, and wait until Kafka has all of them.

    Raises:
        KafkaException: it did not take them.
    """
    failed: list[Any] = []
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "linger.ms": 5})
    for task in tasks:
        producer.produce(
            f"{prefix}.task.submitted.v1",
            json.dumps(task).encode(),
            key=task["task_id"],  # tasks that must stay in order would share a key
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    if producer.flush(TIMEOUT_S) or failed:
        raise KafkaException(failed[0] if failed else "not delivered in time")


def read(task_ids: set[str], *, brokers: str, prefix: str, group: str) -> int:
    """Print the results of these tasks as they come; how many have none when the time is over."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group,
            "auto.offset.reset": "earliest",  # a new group starts with the results that are there
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([f"{prefix}.task.completed.v1"])
    seen: set[Any] = set()
    waiting, until = set(task_ids), time.monotonic() + TIMEOUT_S
    try:
        while waiting and time.monotonic() < until:
            record = consumer.poll(0.5)
            if record is None:
                continue
            if record.error():
                raise KafkaException(record.error())
            event_id = dict(record.headers() or [])["ce_id"]
            if event_id not in seen:
                seen.add(event_id)
                result = json.loads(record.value() or b"null")
                if result["task_id"] in waiting:
                    waiting.remove(result["task_id"])
                    show(result)
            # After the work, so that a crash loses no result.
            consumer.commit(message=record, asynchronous=True)
    finally:
        consumer.close()
    return len(waiting)


def show(result: dict[str, Any]) -> None:
    """One line: who answered at what cost, and the answer or the reason why there is none."""
    said = result["answer"]["content"] if result["answer"] else result["failure"]["message"]
    print(f"{result['model'] or result['status']} ${result['cost_usd']:.6f}: {said}")


def main() -> int:
    """Send, read; 1 where a task has no result."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("tasks.jsonl"))
    arguments.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "localhost:9092"))
    arguments.add_argument("--prefix", default=os.environ.get("SLUICE_PREFIX", "sluice"))
    arguments.add_argument("--group", default="example")
    given = arguments.parse_args()
    lines = given.file.read_text(encoding="utf-8").splitlines()
    # Fresh ids, so that the file may be sent again.
    tasks = [json.loads(line) | {"task_id": str(uuid.uuid4())} for line in lines if line.strip()]
    send(tasks, brokers=given.brokers, prefix=given.prefix)
    ids = {task["task_id"] for task in tasks}
    missing = read(ids, brokers=given.brokers, prefix=given.prefix, group=given.group)
    if missing:
        print(f"{missing} without a result; `sluice dlq list` has what was refused", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
