from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.harness import Bus, Folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.brokers import BrokerInUse


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """A working folder with a configuration that has three models."""
    return Folder(tmp_path).with_models()


@pytest.fixture
async def bus(here: Folder, broker: BrokerInUse, topic_prefix: str) -> Bus:
    """The topics on a real broker, and commands that use them."""
    made = Bus(broker.bootstrap, topic_prefix, here)
    await made.apply()
    return made
