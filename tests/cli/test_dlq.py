"""`sluice dlq`: dead letters are listed, shown safely, and sent again byte for byte."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson
import pytest

from topics.catalog import TASK_FAILED, TASK_SUBMITTED
from topics.headers import Source

if TYPE_CHECKING:
    from tests.cli.harness import Bus
    from topics.headers import Headers

pytestmark = pytest.mark.bus

BINARY = b"\x00\xff\x1b[31m not text \x80"
ORIGINAL: Headers = [
    ("traceparent", b"00-aa"),
    ("twice", b"1"),
    ("twice", b"\xff"),
    ("sluice_source", b"mine"),
]


async def test_no_dead_letters_is_no_failure(bus: Bus) -> None:
    done = await bus.run("dlq", "list")

    assert (done.code, done.out) == (0, b"")
    assert "no dead letters" in done.error


async def test_the_list_says_where_from_and_why(bus: Bus) -> None:
    source = Source(bus.name(TASK_SUBMITTED), 1, 41)
    position = await bus.bury(source, b"\xffkey", BINARY, ORIGINAL)

    text, as_json = await bus.run("dlq", "list"), await bus.run("dlq", "list", "--json")

    [letter] = as_json.lines
    assert (letter["position"], letter["source"]) == (position, str(source))
    assert (letter["error"], letter["stage"], letter["value_bytes"]) == ("NotJson", "json", len(BINARY))
    assert str(source).encode() in text.out
    assert b"NotJson: not JSON at line 1; publish JSON" in text.out


async def test_a_limit_takes_the_newest(bus: Bus) -> None:
    for offset in range(3):
        await bus.bury(Source(bus.name(TASK_SUBMITTED), offset, offset), b"k", b"{", [])

    done = await bus.run("dlq", "list", "--json", "--limit", "1")

    assert [one["source"] for one in done.lines] == [f"{bus.name(TASK_SUBMITTED)}:2:2"]


async def test_one_is_shown_by_position_and_by_source(bus: Bus) -> None:
    source = Source(bus.name(TASK_SUBMITTED), 2, 5)
    position = await bus.bury(source, b"key", b'{"prompt": ', ORIGINAL)

    by_position, by_source = await bus.run("dlq", "show", position), await bus.run("dlq", "show", str(source))

    assert by_position.code == by_source.code == 0
    assert by_position.out == by_source.out
    for expected in (
        b"key        key",
        b"header     twice: 0xff",
        b"header     sluice_source: mine",
        b'\n{"prompt": ',
    ):
        assert expected in by_position.out
    assert b"__streams" not in by_position.out


async def test_bytes_that_are_no_text_cannot_steer_the_terminal(bus: Bus) -> None:
    source = Source(bus.name(TASK_SUBMITTED), 0, 5)
    hex_only = await bus.bury(source, None, BINARY, [])
    escaped = await bus.bury(source, b"\x1b[2Jkey", b"\x1b[31mtext", [])

    shown = [await bus.run("dlq", "show", position) for position in (hex_only, escaped)]

    assert b"not UTF-8" in shown[0].out
    assert b"00000000  00 ff 1b 5b 33 31 6d" in shown[0].out
    assert b"\\x1b[31mtext" in shown[1].out
    assert all(b"\x1b" not in one.out for one in shown)


async def test_the_original_bytes_can_be_had(bus: Bus) -> None:
    position = await bus.bury(Source(bus.name(TASK_SUBMITTED), 0, 5), None, BINARY, ORIGINAL)

    raw, as_json = (
        await bus.run("dlq", "show", position, "--raw"),
        await bus.run("dlq", "show", position, "--json"),
    )

    shown = orjson.loads(as_json.out)
    assert raw.out == BINARY
    assert base64.b64decode(shown["value_base64"]) == BINARY
    assert shown["value"] is None
    assert [(one["name"], base64.b64decode(one["base64"])) for one in shown["headers"]] == ORIGINAL


@pytest.mark.parametrize(
    ("which", "code"), [("0:99", 1), ("7:0", 1), ("a.topic:0:3", 1), ("nonsense", 2), ("x:y:z", 2)]
)
async def test_what_is_not_there_is_said(bus: Bus, which: str, code: int) -> None:
    shown, replayed = await bus.run("dlq", "show", which), await bus.run("dlq", "replay", which)

    assert (shown.code, replayed.code) == (code, code)
    assert "no dead letter" in shown.error
    assert "Traceback" not in shown.error + replayed.error


async def test_a_replay_is_byte_for_byte_what_was_sent(bus: Bus) -> None:
    source = Source(bus.name(TASK_SUBMITTED), 2, 5)
    await bus.bury(source, b"\xffkey", BINARY, ORIGINAL)

    done = await bus.run("dlq", "replay", str(source))

    [record] = await bus.read(TASK_SUBMITTED)
    assert done.code == 0, done.error
    assert (record.partition, record.key, record.value) == (2, b"\xffkey", BINARY)
    assert list(record.headers) == ORIGINAL
    assert f"{source.topic} partition 2 offset {record.offset}" in done.out.decode()
    assert len(await bus.read(TASK_FAILED)) == 1


async def test_a_tombstone_can_be_replayed(bus: Bus) -> None:
    await bus.bury(Source(bus.name(TASK_SUBMITTED), 1, 5), b"key", None, [])

    done = await bus.run("dlq", "replay", "--all")

    [record] = await bus.read(TASK_SUBMITTED)
    assert done.code == 0, done.error
    assert (record.key, record.value, list(record.headers)) == (b"key", None, [])


async def test_a_dry_run_sends_nothing(bus: Bus) -> None:
    await bus.bury(Source(bus.name(TASK_SUBMITTED), 1, 5), b"key", b"{", [])

    done = await bus.run("dlq", "replay", "--all", "--dry-run", "--json")

    assert done.code == 0
    assert [(one["partition"], one["offset"], one["problem"]) for one in done.lines] == [(1, None, None)]
    assert await bus.read(TASK_SUBMITTED) == []


async def test_all_are_sent_once_each_and_those_that_cannot_be_are_named(bus: Bus) -> None:
    here = bus.name(TASK_SUBMITTED)
    for source in (Source(here, 0, 1), Source(here, 0, 1), Source(here, 1, 2), Source("gone.topic", 0, 3)):
        await bus.bury(source, b"key", b"{", [])
    nowhere = await bus.produce(TASK_FAILED, 2, b"key", b"{")

    done = await bus.run("dlq", "replay", "--all")

    assert done.code == 1
    assert [record.partition for record in await bus.read(TASK_SUBMITTED)] in ([0, 1], [1, 0])
    assert "the broker has no gone.topic partition 0" in done.error
    assert f"2:{nowhere}: its headers do not say where it came from" in done.error
    assert "2 sent again, 2 not" in done.error


@pytest.mark.parametrize("arguments", [(), ("0:0", "--all")])
async def test_a_replay_needs_to_be_told_what(bus: Bus, arguments: tuple[str, ...]) -> None:
    done = await bus.run("dlq", "replay", *arguments)

    assert done.code == 2
