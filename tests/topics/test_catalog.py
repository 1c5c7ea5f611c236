"""The catalog keeps its own rules."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass

import pytest

from topics.catalog import TASK_FAILED, TASK_SUBMITTED, TOPICS, Cleanup, Party, Spread, Topic

PUBLIC = [topic for topic in TOPICS if not topic.internal]


def _name(topic: Topic) -> str:
    return topic.name


def test_names_are_unique() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


@pytest.mark.parametrize("topic", PUBLIC, ids=_name)
def test_a_public_name_is_words_and_a_version(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)*\.v[1-9][0-9]*", topic.name)


def test_a_full_name_has_the_prefix() -> None:
    assert TASK_SUBMITTED.full_name() == "sluice.task.submitted.v1"
    assert TASK_SUBMITTED.full_name("acme.eu") == "acme.eu.task.submitted.v1"


@pytest.mark.parametrize("topic", TOPICS, ids=_name)
def test_only_compacted_topics_are_kept_for_ever(topic: Topic) -> None:
    assert (topic.retention_s is None) == (topic.cleanup is Cleanup.COMPACT)


@pytest.mark.parametrize("topic", TOPICS, ids=_name)
def test_settings_are_text_as_kafka_wants_them(topic: Topic) -> None:
    configs = topic.configs()
    assert set(configs) == {"cleanup.policy", "retention.ms", "max.message.bytes"}
    assert all(isinstance(value, str) for value in configs.values())


def test_per_task_topics_have_equal_partitions_and_policy_has_one() -> None:
    counts = {topic.name: topic.partitions(12) for topic in TOPICS}
    single = {topic.name for topic in TOPICS if topic.spread is Spread.SINGLE}
    assert single == {"policy.v1"}
    assert {count for name, count in counts.items() if name not in single} == {12}
    assert counts["policy.v1"] == 1


def test_a_dead_letter_has_room_for_the_largest_task_and_its_headers() -> None:
    assert TASK_FAILED.max_message_bytes > TASK_SUBMITTED.max_message_bytes


@pytest.mark.parametrize("topic", TOPICS, ids=_name)
def test_events_are_frozen_slotted_dataclasses(topic: Topic) -> None:
    for event in topic.event_types:
        assert is_dataclass(event)
        assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]  # not in the stubs
        assert set(event.__slots__) == {field.name for field in fields(event)}  # type: ignore[attr-defined]  # same


@pytest.mark.parametrize("topic", TOPICS, ids=_name)
def test_each_topic_has_somebody_who_writes_and_somebody_who_reads(topic: Topic) -> None:
    assert topic.writers
    assert topic.readers


def test_internal_topics_are_nobody_elses() -> None:
    outside = {topic.name for topic in TOPICS if Party.OUTSIDE in topic.writers + topic.readers}
    assert not [topic.name for topic in TOPICS if topic.internal and topic.name in outside]
