"""Recorded outcomes: what real models answered to known prompts, read from outcome tables.

Owns reading the parquet files, the index by prompt and model, and the models the tables describe. Prompts are kept
as 64-bit hashes, numbers as arrays and answers in Arrow's memory, so 200,000 rows take tens of megabytes.

Columns: prompt and model are needed; score, cost_usd, input_tokens, output_tokens, latency_s and answer are used
where they are there and not null. Where a model answered the same prompt twice, the first row counts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.embedded.simulator.errors import OutcomesError
from streams.embedded.simulator.models import SimulatedModel
from streams.embedded.simulator.pricing import fitted_prices, tiers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

_NUMBERS = ("score", "cost_usd", "input_tokens", "output_tokens", "latency_s")
_NEEDED = ("prompt", "model")
_UNKNOWN_QUALITY = 0.8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model did with one prompt; None where it was not recorded."""

    answer: str | None
    input_tokens: int | None
    output_tokens: int | None
    latency_s: float | None


@dataclass(frozen=True, slots=True)
class _Table:
    """One file."""

    prompts: dict[int, int]
    """Position of a prompt by its hash."""
    models: dict[str, int]
    rows: np.ndarray[Any, np.dtype[np.int32]]
    """Row of (prompt, model), -1 where there is none; shape (prompts, models)."""
    numbers: dict[str, Floats]
    """By column, shape (table rows,), NaN where unknown."""
    model_of_row: Ints
    answers: pa.ChunkedArray | None

    def find(self, prompt: int, model: str) -> Outcome | None:
        position, column = self.prompts.get(prompt), self.models.get(model)
        if position is None or column is None:
            return None
        row = int(self.rows[position, column])
        return None if row < 0 else self._outcome(row)

    def _outcome(self, row: int) -> Outcome:
        input_tokens, output_tokens = self._number("input_tokens", row), self._number("output_tokens", row)
        return Outcome(
            answer=None if self.answers is None else self.answers[row].as_py(),
            input_tokens=None if input_tokens is None else round(input_tokens),
            output_tokens=None if output_tokens is None else round(output_tokens),
            latency_s=self._number("latency_s", row),
        )

    def _number(self, column: str, row: int) -> float | None:
        value = float(self.numbers[column][row])
        return None if np.isnan(value) else value


class Outcomes:
    """All tables together; of two that know a prompt, the first answers."""

    def __init__(self, tables: Sequence[_Table]) -> None:
        self._tables = tuple(tables)

    @classmethod
    def load(cls, *paths: Path) -> Outcomes:
        """Read the files.

        Raises:
            OutcomesError: pyarrow is not installed, or a file is no outcome table.
        """
        return cls([_read(path) for path in paths])

    def find(self, model: str, prompt: str) -> Outcome | None:
        """What the model did with the prompt, spaces around it aside."""
        key = _hash(prompt)
        for table in self._tables:
            outcome = table.find(key, model)
            if outcome is not None:
                return outcome
        return None

    def __len__(self) -> int:
        """How many (prompt, model) can be answered, counted per table."""
        return sum(int((table.rows >= 0).sum()) for table in self._tables)

    def models(self) -> tuple[SimulatedModel, ...]:
        """The models of the tables in the order of their names, with prices, quality and tier from the records.

        Prices are fitted (see `pricing`); quality is the mean score; the tier is the third of the models it is
        in by mean cost, or by mean score where no cost is known.
        """
        names = sorted({name for table in self._tables for name in table.models})
        columns = {name: self._columns(name) for name in names}
        cost = {name: _mean(columns[name]["cost_usd"]) for name in names}
        score = {name: _mean(columns[name]["score"]) for name in names}
        tier_of = tiers(cost if all(c is not None for c in cost.values()) else score)
        return tuple(
            SimulatedModel(
                name=name,
                tier=tier_of[name],
                quality=_UNKNOWN_QUALITY
                if score[name] is None
                else round(min(max(score[name] or 0.0, 0.0), 1.0), 4),
                prices=fitted_prices(
                    columns[name]["cost_usd"], columns[name]["input_tokens"], columns[name]["output_tokens"]
                ),
            )
            for name in names
        )

    def _columns(self, model: str) -> dict[str, Floats]:
        parts = [(t, t.model_of_row == t.models[model]) for t in self._tables if model in t.models]
        return {c: np.concatenate([table.numbers[c][rows] for table, rows in parts]) for c in _NUMBERS}


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _hash(prompt: str) -> int:
    text = prompt.strip().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _read(path: Path) -> _Table:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency
        from pyarrow import parquet  # noqa: PLC0415 - likewise
    except ImportError as error:
        message = "outcome tables need pyarrow, which is not installed; pip install 'sluice[embedded]'"
        raise OutcomesError(message) from error
    try:
        present = set(parquet.read_schema(path).names)
        absent = [column for column in _NEEDED if column not in present]
        if absent:
            message = f"{path} is no outcome table: it has no column {' and no '.join(absent)}"
            raise OutcomesError(message)
        wanted = [column for column in (*_NEEDED, *_NUMBERS, "answer") if column in present]
        texts = [column for column in (*_NEEDED, "answer") if column in present]
        table = parquet.read_table(path, columns=wanted, read_dictionary=texts)
        return _index(table)
    except (OSError, pa.ArrowException, TypeError, ValueError) as error:
        message = f"cannot read the outcome table {path}: {error}"
        raise OutcomesError(message) from error


def _index(table: pa.Table) -> _Table:
    prompt_of_row, prompts = _encoded(table["prompt"])
    model_of_row, named = _encoded(table["model"])
    # A dictionary in a file may name models that have no rows there.
    used, model_of_row = np.unique(model_of_row, return_inverse=True)
    models = [named[code] for code in used]
    keys: dict[int, int] = {}
    position_of = np.array([keys.setdefault(_hash(prompt), len(keys)) for prompt in prompts], dtype=np.int64)
    rows = np.full((len(keys), len(models)), -1, dtype=np.int32)
    # Backwards, so that of equal (prompt, model) the first row is written last.
    order = np.arange(table.num_rows - 1, -1, -1)
    rows[position_of[prompt_of_row[order]], model_of_row[order]] = order
    return _Table(
        prompts=keys,
        models={name: index for index, name in enumerate(models)},
        rows=rows,
        numbers={column: _floats(table, column) for column in _NUMBERS},
        model_of_row=model_of_row,
        answers=table["answer"] if "answer" in table.column_names else None,
    )


def _encoded(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Codes of shape (rows,) and the texts they stand for."""
    import pyarrow as pa  # noqa: PLC0415 - an optional dependency

    if column.null_count:
        message = "prompt and model must not be null"
        raise ValueError(message)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    codes: Ints = np.asarray(pa.chunked_array([c.indices.cast("int32") for c in column.chunks], pa.int32()))
    texts = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    return codes.astype(np.int64), texts


def _floats(table: pa.Table, column: str) -> Floats:
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[column].cast("float64").to_numpy(), dtype=np.float64)
