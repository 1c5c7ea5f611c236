"""Apache Kafka as one broker on the local JVM: finding Java, its properties, formatting, the command.

Runs nothing for long itself; lifecycle.py does.
"""

from __future__ import annotations

import base64
import re
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from streams.embedded.broker import ports
from streams.embedded.broker.errors import BrokerStartError, UnavailableError
from streams.embedded.broker.jars import kafka_jars
from streams.embedded.broker.process import run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.embedded.broker.machine import Machine

LARGEST_RECORD_BYTES: Final = 9 * 1024 * 1024
_OLDEST_JAVA: Final = 17
_JAVA_DEADLINE_S: Final = 30.0
_FORMAT_DEADLINE_S: Final = 60.0
_DATA: Final = "kafka"
_JVM_OPTIONS: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts in half the time; a broker on a laptop is bound by its disk
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)


@dataclass(frozen=True, slots=True)
class KafkaJvm:
    """Apache Kafka, ready to be started."""

    kind: ClassVar[Literal["kafka"]] = "kafka"
    durable: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    start_cure: ClassVar[str] = (
        "It needs some 600 MB of memory and a data folder that no other broker uses and no newer Kafka wrote."
    )

    java: str
    java_major: int
    jars: Path
    version: str

    @property
    def title(self) -> str:
        """What it is, for a sentence."""
        return f"Apache Kafka {self.version} on the local JVM (Java {self.java_major})"

    @property
    def meaning(self) -> str:
        """What that means, for a sentence."""
        return "durable, everything works"

    async def command(self, folder: Path, port: int) -> list[str]:
        """The command that starts it in `folder`, which is formatted when new and kept as it is otherwise.

        Raises:
            BrokerStartError: the folder could not be formatted.
        """
        # Picked anew each time: the data folder does not depend on it.
        controller_port = ports.pick_free(but=frozenset({port}))
        if not (folder / _DATA).is_dir():
            await self._format(folder, broker_properties(port, controller_port, f"{_DATA}.new"))
        _write_properties(folder / "server.properties", broker_properties(port, controller_port, _DATA))
        return [*self._java(), "kafka.Kafka", "server.properties"]

    async def _format(self, folder: Path, properties: dict[str, str]) -> None:
        unfinished = folder / properties["log.dirs"]
        shutil.rmtree(unfinished, ignore_errors=True)  # an earlier attempt was interrupted
        _write_properties(folder / "format.properties", properties)
        format_new = ["kafka.tools.StorageTool", "format", "--standalone", "-t", new_cluster_id()]
        code, tail = await run_to_end(
            [*self._java(), *format_new, "-c", "format.properties"],
            folder / "format.log",
            deadline_s=_FORMAT_DEADLINE_S,
            cwd=folder,
        )
        if code != 0:
            problem = f"Apache Kafka could not format the data folder {folder}."
            raise BrokerStartError(problem, cure=self.start_cure, exit_code=code, output_tail=tail)
        unfinished.rename(folder / _DATA)  # so a data folder that exists is whole

    def _java(self) -> list[str]:
        return [self.java, *_JVM_OPTIONS, "-cp", f"{self.jars}/*"]


async def find_kafka(machine: Machine, say: Callable[[str], None]) -> KafkaJvm:
    """Apache Kafka on this machine, fetched if need be.

    Raises:
        UnavailableError: there is no Java that is new enough, or the jars cannot be had.
    """
    own = (machine.java_home / "bin" / "java") if machine.java_home else None
    java = str(own) if own and own.is_file() else shutil.which("java", path=machine.path)
    if java is None:
        reason = "there is no `java` on PATH"
        raise UnavailableError(reason)
    major = await _java_major(java)
    if major < _OLDEST_JAVA:
        found = f"Java {major}" if major else "no Java that tells its version"
        reason = f"{java} is {found}, and Apache Kafka 4 needs Java {_OLDEST_JAVA} or newer"
        raise UnavailableError(reason)
    jars = await kafka_jars(machine, say)
    return KafkaJvm(java=java, java_major=major, jars=jars.folder, version=jars.version)


def broker_properties(
    port: int, controller_port: int, data_dir: str, *, host: str = ports.LOOPBACK
) -> dict[str, str]:
    """Properties of a broker that is a cluster by itself.

    Args:
        port: where clients connect.
        controller_port: where the broker talks to itself.
        data_dir: its data, relative to the folder it runs in (Kafka would split an absolute path at a comma).
        host: what it listens on and tells clients to connect to.
    """
    listeners = f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{host}:{controller_port}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "log.dirs": data_dir,
        **SINGLE_BROKER,
    }


SINGLE_BROKER: Final = {
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # One broker: internal topics have one replica, and few partitions so that it starts and stops quickly.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    # A broker that was killed is not let in again before its old session ends (9 s by default). Less
    # than this and a busy machine is taken for a dead broker.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "message.max.bytes": str(LARGEST_RECORD_BYTES),
    "replica.fetch.max.bytes": str(LARGEST_RECORD_BYTES),
    # The cleaner's map takes a quarter of the heap by default; segments of 1 GiB would never be compacted.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "log.cleaner.io.buffer.size": str(2 * (LARGEST_RECORD_BYTES + 1024)),
    "log.cleaner.backoff.ms": "5000",
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.retention.check.interval.ms": "60000",
}
"""What a broker that is alone needs, wherever it listens."""


def new_cluster_id() -> str:
    """A random id in Kafka's notation (what `StorageTool random-uuid` prints, without starting a JVM)."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):  # it would be read as an option
            return text


def _write_properties(file: Path, properties: dict[str, str]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


async def _java_major(java: str) -> int:
    """Java's feature version: 17, 21; 8 for "1.8"; 0 when it does not say."""
    with tempfile.TemporaryDirectory() as folder:
        _, said = await run_to_end([java, "-version"], Path(folder) / "out", deadline_s=_JAVA_DEADLINE_S)
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0
