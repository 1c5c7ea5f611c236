"""What a simulated model says: text or JSON, the same for the same seed, model and prompt.

Owns wording, length and the estimate of tokens. It knows no recorded outcomes, no limits and no HTTP.
Whether a model answers a prompt well is drawn from the model's quality, with hard prompts hard for every model;
good answers of two models conclude the same, poor ones each something else, so agreement means something.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import orjson

from streams.embedded.simulator.instances import instance

if TYPE_CHECKING:
    from streams.embedded.simulator.models import SimulatedModel

REFUSAL = "I'm sorry, but I can't help with that request."
CHARS_PER_TOKEN = 4

_SHORTEST_TOKENS = 12
_LONGEST_TOKENS = 4_000
_SHARED_DIFFICULTY = 0.5
"""How much of luck is the prompt's, the rest being the model's own."""
_NORMAL = NormalDist()
_WORD = re.compile(r"[^\W\d_]{5,}")
_OPTION = re.compile(r"^\s*\(?([A-J])[).:]\s", re.MULTILINE)
_READ_CHARS = 2_000
"""How far into a prompt is looked for words and options."""

_COMMON = frozenset(
    (
        *("about", "above", "after", "again", "against", "answer", "between", "could", "every", "following"),
        *("given", "other", "please", "question", "return", "should", "their", "there", "these", "thing"),
        *("those", "three", "under", "using", "where", "which", "while", "would", "write"),
        *("bullet", "bullets", "classify", "describe", "explain", "extract", "paragraph", "points"),
        *("sentence", "sentences", "summarise", "summarize", "summary", "translate", "words"),
    )
)
_OPENINGS = (
    "Looking at {a}, the main finding is clear.",
    "In short, {a} and {b} move together here.",
    "The figures on {a} support one conclusion.",
    "Taken as a whole, {a} explains most of what is seen in {b}.",
)
_BODY = (
    "The change in {a} comes mostly from {b}, which accounts for the larger part of the difference.",
    "Compared with the earlier period, {b} is steadier than {a}, and the gap narrows towards the end.",
    "Two effects overlap: {c} raises the level, while {a} determines the direction.",
    "Leaving out the outliers does not change the result for {b}.",
    "The segment around {c} deserves a closer look, since it behaves unlike the rest.",
    "If {a} continues at this pace, {b} reaches its target within the period.",
    "The data for {c} are complete, so no correction for missing values is needed.",
    "A simple check against {b} confirms the order of magnitude.",
    "The risk lies in {c}: a small shift there would be felt in {a} first.",
    "Seasonal effects explain some of {a}, but not the step that is visible in {c}.",
    "For {b} the recommendation is to keep the current course and to review it after one cycle.",
    "What matters for the decision is {a}; {c} follows from it.",
)
_CLOSINGS = (
    "Recommendation: act on {a} first and review {b} afterwards.",
    "Next step: confirm {b} with the owners of {c}.",
    "Overall, {a} is the lever with the largest effect.",
)
_POOR = (
    "I am not certain about this.",
    "It depends on several factors that are hard to judge from here.",
    "There may be some change, but the reasons are unclear.",
    "More information would be needed to say anything definite.",
)


def estimate_tokens(text: str) -> int:
    """Tokens of a text, at four characters each."""
    return (len(text) + CHARS_PER_TOKEN - 1) // CHARS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Draw:
    """Everything that is drawn for one prompt and one model, each in 0..1 and fixed by the seed."""

    good: bool
    refused: bool
    length: float
    shared: int
    """Large number that depends on the prompt alone; good answers are chosen by it."""
    own: int
    """Large number that depends on the model too."""

    @classmethod
    def of(cls, model: SimulatedModel, prompt: str, seed: int) -> Draw:
        """For this prompt and model."""
        by_prompt = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16, salt=_salt(seed))
        hard, shared = struct.unpack("<QQ", by_prompt.digest())
        by_prompt.update(b"\0" + model.name.encode("utf-8", "surrogatepass"))
        luck, own = struct.unpack("<QQ", by_prompt.digest())
        both = math.sqrt(_SHARED_DIFFICULTY) * _NORMAL.inv_cdf(_unit(hard)) + math.sqrt(
            1.0 - _SHARED_DIFFICULTY
        ) * _NORMAL.inv_cdf(_unit(luck))
        return cls(
            good=_NORMAL.cdf(both) < model.quality,
            refused=_unit(own & 0xFFFF_FFFF, 32) < model.refusal_rate,
            length=_unit(own >> 32, 32),
            shared=shared,
            own=own,
        )

    @property
    def choice(self) -> int:
        """Picks content: the same for all who answer well."""
        return self.shared if self.good else self.own


def _salt(seed: int) -> bytes:
    return (seed & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little")


def _unit(bits: int, width: int = 64) -> float:
    """Bits as a number strictly between 0 and 1."""
    return min(max((bits + 0.5) / (1 << width), 1e-12), 1.0 - 1e-12)


def answer_text(model: SimulatedModel, prompt: str, draw: Draw) -> str:
    """Prose of the drawn length, about the words of the prompt.

    Ends with a line `ANSWER: ...` where the prompt asks for such a line.
    """
    target = answer_tokens(model, draw)
    words = topic(prompt)
    last = f"\nANSWER: {_conclusion(prompt, draw)}" if "ANSWER:" in prompt else ""
    if not draw.good:
        vague = filler(target // 2, draw.own, _POOR) or _POOR[draw.own % len(_POOR)]
        return vague.strip() + last
    opening = _OPENINGS[draw.shared % len(_OPENINGS)].format_map(words)
    closing = _CLOSINGS[draw.own % len(_CLOSINGS)].format_map(words)
    body_tokens = target - estimate_tokens(opening + closing)
    body = filler(body_tokens, draw.own, tuple(sentence.format_map(words) for sentence in _BODY))
    return f"{opening} {body}{closing}{last}"


def answer_json(prompt: str, draw: Draw, schema: dict[str, Any] | None) -> str:
    """Valid JSON: an instance of the schema, or a small object where there is none.

    Args:
        prompt: the last user message.
        draw: what was drawn for it.
        schema: a JSON Schema; keywords beyond the simple ones are not looked at.

    Raises:
        ValueError: the schema is none.
    """
    words = topic(prompt)
    if schema is not None:
        return orjson.dumps(instance(schema, choice=draw.choice, words=words)).decode()
    sentences = _BODY if draw.good else _POOR
    answer = {
        "answer": sentences[draw.choice % len(sentences)].format_map(words),
        "points": [words["a"], words["b"], words["c"]] if draw.good else [],
        "confidence": 0.9 if draw.good else 0.3,
    }
    return orjson.dumps(answer).decode()


def recorded_text(answer: str | None, output_tokens: int, choice: int) -> str:
    """Filler of about that many tokens, whose last line is `ANSWER: ...` where an answer is known."""
    last = "" if answer is None else f"ANSWER: {answer}"
    room = output_tokens - estimate_tokens(last)
    words = {"a": "the question", "b": "the given facts", "c": "the result"}
    text = filler(room, choice, tuple(sentence.format_map(words) for sentence in _BODY)).strip()
    return "\n".join(part for part in (text, last) if part)


def answer_tokens(model: SimulatedModel, draw: Draw) -> int:
    """How long an answer is to be, drawn from the model's lognormal distribution."""
    tokens = model.answer_tokens * math.exp(model.answer_sigma * _NORMAL.inv_cdf(draw.length))
    return int(min(max(tokens, _SHORTEST_TOKENS), _LONGEST_TOKENS))


def filler(tokens: int, choice: int, sentences: tuple[str, ...]) -> str:
    """Whole sentences, each with a space behind it, of at most that many tokens (none when it is too few)."""
    room = tokens * CHARS_PER_TOKEN
    parts: list[str] = []
    start = choice % len(sentences)
    index = 0
    while True:
        sentence = sentences[(start + index) % len(sentences)]
        room -= len(sentence) + 1
        if room < 0:
            break
        parts.append(sentence)
        index += 1
    return "".join(f"{part} " for part in parts)


def topic(prompt: str) -> dict[str, str]:
    """Three words of the prompt to write about."""
    seen = dict.fromkeys(word.lower() for word in _WORD.findall(prompt[:_READ_CHARS]))
    words = sorted((w for w in seen if w not in _COMMON), key=len, reverse=True)[:3]
    words += ("the result", "the trend", "the baseline")[len(words) :]
    return {"a": words[0], "b": words[1], "c": words[2]}


def _conclusion(prompt: str, draw: Draw) -> str:
    options = sorted(set(_OPTION.findall(prompt)))
    if options:
        option: str = options[draw.choice % len(options)]
        return option
    return str(draw.choice % 1_000)
