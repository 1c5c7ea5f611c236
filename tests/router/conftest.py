from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.router import harness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def bus(broker: Any, topic_prefix: str) -> harness.Bus:
    made = harness.Bus(broker.bootstrap, topic_prefix, broker.idempotent)
    await made.apply()
    return made


@pytest.fixture
def commit_metadata(broker: Any) -> None:
    """What taking over is built on."""
    if broker.kind == "tansu":
        pytest.skip("Tansu does not keep the metadata of offset commits")


@pytest.fixture
async def provider() -> AsyncIterator[harness.Provider]:
    async with harness.provider() as scripted:
        yield scripted
