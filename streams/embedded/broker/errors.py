"""What can go wrong with the embedded broker.

    EmbeddedBrokerError
    ├── NoBrokerError          nothing on this machine can be a broker
    ├── UnavailableError       one kind of broker cannot be used here (caught while choosing)
    ├── DataFolderError        the data folder cannot be used
    ├── PortTakenError         something else listens on the port that was asked for
    └── BrokerStartError       the broker's process ended or did not answer in time

Every message ends with the cure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streams.embedded.broker.choose import BrokerKind


class EmbeddedBrokerError(Exception):
    """Any failure of the embedded broker. Catch this to catch them all."""


class NoBrokerError(EmbeddedBrokerError):
    """Nothing on this machine can be a broker.

    Attributes:
        reasons: per kind of broker, why it cannot be used here.
    """

    def __init__(self, reasons: Mapping[BrokerKind, str]) -> None:
        """Keep why each kind was passed over."""
        self.reasons: dict[BrokerKind, str] = dict(reasons)
        why = "\n".join(f"  {kind}: {reason}" for kind, reason in self.reasons.items())
        super().__init__(
            f"No broker can be started on this machine.\n{why}\n"
            "Install Java 17 or newer together with Maven (Apache Kafka: durable, complete), "
            "or `pip install 'sluice[embedded]'` (Tansu: in memory), "
            "or point Sluice at a Kafka cluster you already have."
        )


class UnavailableError(EmbeddedBrokerError):
    """One kind of broker cannot be used here; the message is the reason."""


class DataFolderError(EmbeddedBrokerError):
    """The data folder cannot be used."""

    def __init__(self, folder: Path, problem: str, cure: str) -> None:
        """Name the folder, what is wrong with it, and what to do."""
        self.folder = folder
        super().__init__(f"The data folder {folder} cannot be used: {problem}. {cure}")


class PortTakenError(EmbeddedBrokerError):
    """Something else listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        """Name the port."""
        self.port = port
        super().__init__(
            f"Port {port} on 127.0.0.1 is taken by another process. "
            f"Choose another port (or 0 for any free one), or stop what listens on {port}; "
            "if that is a Kafka broker, Sluice can use it as it is."
        )


class BrokerStartError(EmbeddedBrokerError):
    """The broker's process ended or did not answer in time.

    Attributes:
        exit_code: of the process; None when it was still running.
        output_tail: the last lines that it wrote.
    """

    def __init__(
        self, problem: str, *, cure: str, exit_code: int | None = None, output_tail: str = ""
    ) -> None:
        """Say what happened, show what the process said, and what to do."""
        self.exit_code = exit_code
        self.output_tail = output_tail
        said = output_tail.strip() or "(it wrote nothing)"
        super().__init__(f"{problem}\nThe end of its output:\n{said}\n{cure}")
