"""The tasks that the demo and the benchmarks submit: a packaged corpus of realistic analytics requests.

Owns `requests.jsonl` and how it becomes any number of distinct tasks. It knows nothing of Kafka or of event
types: it yields plain dictionaries in the shape in which a producer would write them.

Each line of `requests.jsonl` has `type`, `tenant`, `tags` and either `prompt` or `messages`; `max_tokens` and
`response_format` are optional. A request that is not in English carries the ISO 639-1 code of its language as
one of its tags.
"""

from __future__ import annotations

import copy
import datetime as dt
import random
from importlib import resources
from typing import TYPE_CHECKING, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["load_requests", "malformed", "tasks"]

# The requests speak of the weeks and months before this day, so a later date contradicts none of them.
_FIRST_REPEAT = dt.date(2025, 11, 4)

_DATA_AS_OF = {
    "ar": "البيانات حتى تاريخ {}.",
    "de": "Datenstand: {}.",
    "en": "Data as of {}.",
    "es": "Datos a fecha de {}.",
    "fr": "Données arrêtées au {}.",
    "hi": "डेटा {} तक का है।",
    "ja": "{}時点のデータです。",
    "pt": "Dados de {}.",
    "zh": "数据截至{}。",
}


def load_requests() -> tuple[dict[str, object], ...]:
    """All distinct requests, in the order of the file; every call returns fresh objects."""
    lines = resources.files(__name__).joinpath("requests.jsonl").read_bytes().splitlines()
    return tuple(orjson.loads(line) for line in lines)


def tasks(count: int, *, seed: int = 0) -> Iterator[dict[str, object]]:
    """Yield `count` tasks, the same ones for the same seed.

    The corpus is shuffled once and then cycled. From the second cycle on a request is dated, one day later in
    each cycle, so that no two tasks are the same bytes, as with a report that is asked for every day.

    Args:
        count: how many tasks; may exceed the size of the corpus.
        seed: decides the order.

    Yields:
        A request with its own `task_id`: "demo-0001", "demo-0002" and so on.
    """
    requests = list(load_requests())
    random.Random(seed).shuffle(requests)  # noqa: S311 - an order to show, not a secret
    for index in range(count):
        cycle, position = divmod(index, len(requests))
        request = copy.deepcopy(requests[position])
        if cycle:
            _date(request, _FIRST_REPEAT + dt.timedelta(days=cycle - 1))
        yield {"task_id": f"demo-{index + 1:04d}", **request}


def malformed() -> tuple[bytes, ...]:
    """Three values that careless producers really send.

    In this order: a Python dictionary printed instead of encoded, JSON with fields of the wrong types, and
    valid JSON that has neither `messages` nor `prompt`.
    """
    printed = {
        "task_id": "demo-bad-1",
        "type": "sql",
        "tenant": "growth",
        "prompt": "Orders per day, October",
    }
    wrong_types = {
        "task_id": "demo-bad-2",
        "type": "report_summary",
        "tenant": 7,
        "messages": "Summarise the October report in three sentences.",
        "max_tokens": "short",
    }
    incomplete = {
        "task_id": "demo-bad-3",
        "type": "feedback_sentiment",
        "tenant": "support",
        "text": "Is this review positive? Arrived late, but works well.",
    }
    return str(printed).encode(), orjson.dumps(wrong_types), orjson.dumps(incomplete)


def _date(request: dict[str, object], day: dt.date) -> None:
    """Put the day of the data in front of what the user first says, in the request's language."""
    tags = cast("list[str]", request["tags"])
    language = next((tag for tag in tags if tag in _DATA_AS_OF), "en")
    prefix = _DATA_AS_OF[language].format(day.isoformat())
    if "prompt" in request:
        request["prompt"] = f"{prefix}\n\n{request['prompt']}"
        return
    messages = cast("list[dict[str, str]]", request["messages"])
    first = next(message for message in messages if message["role"] == "user")
    first["content"] = f"{prefix}\n\n{first['content']}"
