"""A broker on this machine: Apache Kafka on the local JVM, else Tansu.

    async with EmbeddedBroker() as broker:
        print(broker.describe())
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=broker.idempotent)

For a laptop, a demo and tests. Data that matters belongs on a cluster.
"""

from streams.embedded.broker.choose import BrokerKind, Choice, WantedKind, choose
from streams.embedded.broker.errors import (
    BrokerStartError,
    DataFolderError,
    EmbeddedBrokerError,
    NoBrokerError,
    PortTakenError,
    UnavailableError,
)
from streams.embedded.broker.lifecycle import EmbeddedBroker
from streams.embedded.broker.machine import Machine

__all__ = [
    "BrokerKind",
    "BrokerStartError",
    "Choice",
    "DataFolderError",
    "EmbeddedBroker",
    "EmbeddedBrokerError",
    "Machine",
    "NoBrokerError",
    "PortTakenError",
    "UnavailableError",
    "WantedKind",
    "choose",
]
