"""What the tables store and how it is named: keys and values of the changelog and of the snapshots.

A value is a partial as JSON, the same bytes on both topics; only the keys differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from streams.state.partials import decode_partial, state_key
from streams.tables.folds import Partial, PartialKey
from topics.catalog import CALL_COMPLETED, STATE, TABLES_CHANGELOG, TASK_FAILED
from topics.codec import Rejection
from topics.events import PartialKind

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = "partials"


@dataclass(frozen=True, slots=True)
class TableTopics:
    """Full names of the topics that the tables read and write. All have the same number of partitions."""

    source: str
    changelog: str
    state: str
    dead_letters: str

    @classmethod
    def of(cls, prefix: str) -> TableTopics:
        """Names with a prefix."""
        return cls(
            source=CALL_COMPLETED.full_name(prefix),
            changelog=TABLES_CHANGELOG.full_name(prefix),
            state=STATE.full_name(prefix),
            dead_letters=TASK_FAILED.full_name(prefix),
        )


def table_key(partition: int, key: PartialKey) -> bytes:
    """The key of a partial in the table and its changelog: `[partition, kind, scope]`.

    The partition is part of it because Faust's in-memory table is one dictionary per process.
    """
    return orjson.dumps([partition, key.kind.value, key.scope])


def parse_table_key(raw: bytes) -> tuple[int, PartialKey] | None:
    """The inverse of `table_key`; None for what another version wrote."""
    try:
        partition, kind, scope = orjson.loads(raw)
        return int(partition), PartialKey(PartialKind(kind), str(scope))
    except (ValueError, TypeError):
        return None


def snapshot_key(partition: int, key: PartialKey) -> bytes:
    """The key of a partial on `state.v1`."""
    return state_key(key.kind, key.scope, partition)


class UnreadablePartialError(Exception):
    """The changelog has a value that this version cannot read; going on without it would lose its counts."""

    def __init__(self, partition: int, key: PartialKey, why: Rejection) -> None:
        super().__init__(
            f"the table's {key.kind}|{key.scope} of partition {partition} cannot be read ({why.message}); "
            "run the version that wrote it, or delete the changelog to rebuild the tables from the calls"
        )


def stored_partial(table: Mapping[bytes, bytes], partition: int, key: PartialKey) -> Partial | None:
    """A partial from the recovered table.

    Raises:
        UnreadablePartialError: it is there and cannot be read.
    """
    raw = table.get(table_key(partition, key))
    if raw is None:
        return None
    partial = decode_partial(key.kind, raw)
    if isinstance(partial, Rejection):
        raise UnreadablePartialError(partition, key, partial)
    return partial
