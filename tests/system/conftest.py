"""Topics of a test's own on the shared broker, and quiet clients."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.router.harness import Bus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.brokers import BrokerInUse


@pytest.fixture
def bus(broker: BrokerInUse, topic_prefix: str) -> Bus:
    return Bus(broker.bootstrap, topic_prefix, broker.idempotent)


@pytest.fixture(autouse=True, scope="session")
def quiet_clients() -> Iterator[None]:
    """The test's own clients tell of every broker that a test takes away: keep that out of its report."""
    noisy = logging.getLogger("aiokafka")
    before = noisy.level
    noisy.setLevel(logging.CRITICAL + 1)
    yield
    noisy.setLevel(before)
