"""What is understood of a task before a model sees it: words, tokens, language, needed capabilities.

Pure and fast: one pass over the text, no model. Language costs most and is found only where a rule asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from topics.events import Features

if TYPE_CHECKING:
    from topics.events import Message, Task

DEFAULT_TYPE = "general"
DEFAULT_TENANT = "default"
TOKENS_PER_MESSAGE = 4
"""What the chat format adds to each message."""
TOKENS_PER_IMAGE = 1_100
"""A high-detail image of about a megapixel; providers differ."""
SPACE = 32
FIRST_DENSE_LEAD = 0xE3
"""First byte of scripts that do not separate words (Japanese, Chinese), in UTF-8."""


def _weights() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Hundredths of a token for every byte, fitted on counted tokens (docs/performance.md)."""
    weights = np.full(256, 33, dtype=np.int64)
    weights[:128] = 85
    for letters in (b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        weights[list(letters)] = 4
    weights[list(b"0123456789")] = 50
    weights[ord("\n")] = 200
    weights[SPACE] = 80
    return weights


_HUNDREDTHS = _weights()
LANGUAGE_SAMPLE_CHARS = 600
LANGUAGES = frozenset(
    "ar bg bn ca cs da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv ml mr ms nl no pa pl pt ro ru sk "  # noqa: SIM905 - one can read it
    "sl sq sr sv sw ta te th tl tr uk ur vi zh".split()
)
"""Languages that are told apart. A short text is more often right among these than among all 200 of the model."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A task with its identity, as deciding takes it."""

    task: Task
    task_id: str
    source: str
    """`topic:partition:offset`."""
    submitted_at: float
    """Seconds since the epoch."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text, from its bytes; docs/performance.md gives the error against counted tokens."""
    return measure(text)[0]


def measure(text: str) -> tuple[int, int]:
    """Tokens (estimated) and words of a text, from one look at its UTF-8 bytes.

    Byte-pair tokenizers give a common word one token with the space before it, a few letters more to a long one,
    and split digits, punctuation and other scripts finely; the weights say so much. Never less than a token for
    five bytes, for text without spaces. Words are separated by white space; where a script does not separate
    them, two characters count as a word.
    """
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    if not data.size:
        return 0, 0
    white = data <= SPACE
    spaces = data == SPACE
    repeated = int(np.count_nonzero(spaces[1:] & spaces[:-1]))
    hundredths = int(_HUNDREDTHS[data].sum()) - repeated * int(_HUNDREDTHS[SPACE])
    tokens = max(hundredths + 99, 20 * data.size) // 100
    words = int(not white[0]) + int(np.count_nonzero(white[:-1] & ~white[1:]))
    dense = int(np.count_nonzero(data >= FIRST_DENSE_LEAD))
    return tokens, max(words, dense // 2)


def understand(task: Task, *, default_max_tokens: int, with_language: bool) -> Features:
    """The features of one task."""
    text, images = _text_of(task.conversation())
    inferred = [name for name in ("type", "tenant") if getattr(task, name) is None]
    if task.max_tokens is None:
        inferred.append("max_tokens")
    tokens, words = measure(text)
    return Features(
        type=task.type or DEFAULT_TYPE,
        tenant=task.tenant or DEFAULT_TENANT,
        tags=task.tags,
        words=words,
        input_tokens=(
            tokens
            + TOKENS_PER_MESSAGE * max(1, len(task.messages))
            + TOKENS_PER_IMAGE * images
            + _tool_tokens(task)
        ),
        max_tokens=task.max_tokens or default_max_tokens,
        language=detect_language(text) if with_language else None,
        capabilities=_needed(task, images),
        inferred=tuple(inferred),
    )


def detect_language(text: str) -> str:
    """ISO 639-1 code of the language, one of `LANGUAGES`, from the beginning of the text (py3langid)."""
    code, _ = _classifier().classify(text[:LANGUAGE_SAMPLE_CHARS])
    return str(code)


@cache
def _classifier() -> Any:  # noqa: ANN401 - py3langid is not typed
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - 0.1 s, and only where asked for

    classifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    classifier.set_languages(sorted(LANGUAGES))
    return classifier


def _text_of(messages: tuple[Message, ...]) -> tuple[str, int]:
    texts: list[str] = []
    images = 0
    for message in messages:
        if isinstance(message.content, str):
            texts.append(message.content)
            continue
        for part in message.content or ():
            if isinstance(text := part.get("text"), str):
                texts.append(text)
            elif part.get("type") in {"image_url", "input_image", "image"}:
                images += 1
    return (texts[0] if len(texts) == 1 else "\n".join(texts)), images


def _tool_tokens(task: Task) -> int:
    return 0 if not task.tools else sum(estimate_tokens(str(tool)) for tool in task.tools)


def _needed(task: Task, images: int) -> tuple[str, ...]:
    needed = set(task.requirements.capabilities)
    if task.tools:
        needed.add("tools")
    if images:
        needed.add("vision")
    if (task.response_format or {}).get("type") in {"json_object", "json_schema"}:
        needed.add("json")
    return tuple(sorted(needed))
