"""Recorded outcomes: what is answered from a table, at which price, and what is said about a bad one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from streams.embedded.simulator import Outcomes, OutcomesError, SimulatedModel
from tests.embedded.simulator import content, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.contract

QUESTION = "How many eggs are in three dozen?"


def _row(prompt: str, model: str, **fields: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("cost_usd", "input_tokens", "output_tokens", "latency_s", "answer"))
    return {"prompt": prompt, "model": model, "score": 1.0, **empty, **fields}


def _table(folder: Path, rows: list[dict[str, Any]], name: str = "table.parquet") -> Path:
    schema = pa.schema(
        {
            "prompt": pa.large_string(),
            "model": pa.large_string(),
            "score": pa.float64(),
            "cost_usd": pa.float64(),
            "input_tokens": pa.int64(),
            "output_tokens": pa.int64(),
            "latency_s": pa.float64(),
            "answer": pa.large_string(),
        }
    )
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), folder / name)
    return folder / name


async def test_a_known_prompt_is_answered_as_recorded(tmp_path: Path) -> None:
    path = _table(
        tmp_path,
        [
            _row(QUESTION, "a", answer="36", input_tokens=77, output_tokens=120),
            _row(QUESTION, "b", answer="30", input_tokens=78, output_tokens=5),
        ],
    )
    async with serving(outcomes=Outcomes.load(path)) as client:
        of_a, of_b = await client.ask(QUESTION, model="a"), await client.ask(f"\n{QUESTION} ", model="b")
        recorded = client.tally("a")["recorded"]

    assert content(of_a).splitlines()[-1] == "ANSWER: 36"
    assert content(of_b) == "ANSWER: 30"
    assert (of_a.json()["usage"]["prompt_tokens"], of_a.json()["usage"]["completion_tokens"]) == (77, 120)
    assert 60 <= len(content(of_a)) / 4 <= 121
    assert of_b.json()["usage"]["prompt_tokens"] == 78
    assert recorded == 1


async def test_what_was_not_recorded_is_estimated(tmp_path: Path) -> None:
    path = _table(tmp_path, [_row(QUESTION, "a"), _row("Other", "a", answer="x")])
    async with serving(outcomes=Outcomes.load(path)) as client:
        response = await client.ask(QUESTION, model="a")

    usage = response.json()["usage"]
    assert "ANSWER" not in content(response)
    assert usage["prompt_tokens"] == math.ceil(len(QUESTION) / 4) + 6
    assert usage["completion_tokens"] == math.ceil(len(content(response)) / 4)


async def test_an_unknown_prompt_gets_a_generated_answer(tmp_path: Path) -> None:
    path = _table(tmp_path, [_row(QUESTION, "a", answer="36"), _row("Only b", "b", answer="1")])
    async with serving(outcomes=Outcomes.load(path)) as client:
        unknown = await client.ask("Something else", model="a")
        not_of_this_model = await client.ask("Only b", model="a")
        recorded = client.tally("a")["recorded"]

    assert (unknown.status_code, not_of_this_model.status_code, recorded) == (200, 200, 0)


async def test_a_recorded_latency_is_scaled_by_speed(tmp_path: Path) -> None:
    path = _table(tmp_path, [_row(QUESTION, "a", latency_s=40.0, output_tokens=10)])
    async with serving(outcomes=Outcomes.load(path), speed=0.005) as client:
        response = await client.ask(QUESTION, model="a")

    assert response.headers["openai-processing-ms"] == "200"
    assert response.elapsed.total_seconds() >= 0.2


async def test_a_recorded_answer_too_ends_at_the_tokens_it_may_have(tmp_path: Path) -> None:
    path = _table(tmp_path, [_row(QUESTION, "a", answer="36", output_tokens=100)])
    async with serving(outcomes=Outcomes.load(path)) as client:
        response = await client.ask(QUESTION, model="a", max_tokens=20)

    assert response.json()["choices"][0]["finish_reason"] == "length"
    assert response.json()["usage"]["completion_tokens"] == 20
    assert "ANSWER" not in content(response)


async def test_models_given_beside_a_table_keep_their_own_behaviour(tmp_path: Path) -> None:
    path = _table(tmp_path, [_row(QUESTION, "a", answer="36")])
    models = [SimulatedModel(name="a", rpm=1, burst_s=60), SimulatedModel(name="z")]
    async with serving(models, outcomes=Outcomes.load(path)) as client:
        responses = [await client.ask(QUESTION, model="a") for _ in range(2)]

    assert content(responses[0]).endswith("ANSWER: 36")
    assert responses[1].status_code == 429


def test_prices_are_fitted_to_what_calls_cost(tmp_path: Path) -> None:
    sizes = [(100, 20), (300, 700), (50, 400), (900, 10)]
    rows = [
        _row(
            f"{i}-{o}",
            name,
            input_tokens=i,
            output_tokens=o,
            cost_usd=(i * cheap + o * dear) / 1e6,
            score=score,
        )
        for name, cheap, dear, score in (("small", 0.15, 0.6, 0.5), ("large", 2.5, 10.0, 1.0))
        for i, o in sizes
    ]

    large, small = Outcomes.load(_table(tmp_path, rows)).models()

    assert large.prices is not None
    assert small.prices is not None
    assert (small.prices.input_usd_per_mtok, small.prices.output_usd_per_mtok) == (0.15, 0.6)
    assert (large.prices.input_usd_per_mtok, large.prices.output_usd_per_mtok) == (2.5, 10.0)
    assert (small.tier, small.quality, large.tier, large.quality) == ("efficient", 0.5, "premium", 1.0)


def test_without_tokens_the_mean_cost_is_a_fee_per_call_and_without_cost_there_is_no_price(
    tmp_path: Path,
) -> None:
    rows = [
        _row("1", "fee", cost_usd=0.001),
        _row("2", "fee", cost_usd=0.003),
        _row("1", "free", input_tokens=10, output_tokens=10),
    ]

    fee, free = Outcomes.load(_table(tmp_path, rows)).models()

    assert fee.prices is not None
    assert (fee.prices.input_usd_per_mtok, fee.prices.output_usd_per_mtok) == (0.0, 0.0)
    assert fee.prices.request_usd == pytest.approx(0.002)
    assert free.prices is None


def test_costs_that_tokens_do_not_explain_become_a_fee_per_call(tmp_path: Path) -> None:
    rows = [
        _row(str(n), "a", input_tokens=100 + n, output_tokens=10 * n, cost_usd=cost)
        for n, cost in enumerate((0.5, 0.001, 0.3, 0.002, 0.4))
    ]

    (model,) = Outcomes.load(_table(tmp_path, rows)).models()

    assert model.prices is not None
    assert model.prices.request_usd == pytest.approx(0.2406)


def test_several_tables_are_one_and_the_first_row_of_a_prompt_counts(tmp_path: Path) -> None:
    first = _table(tmp_path, [_row("p", "a", answer="1"), _row("p", "a", answer="2")], "first.parquet")
    second = _table(tmp_path, [_row("p", "a", answer="3"), _row("q", "b", answer="4")], "second.parquet")

    outcomes = Outcomes.load(first, second)
    found = [
        outcomes.find(model, prompt) for model, prompt in (("a", "p"), ("b", "q"), ("b", "p"), ("c", "p"))
    ]

    assert [outcome and outcome.answer for outcome in found] == ["1", "4", None, None]
    assert [model.name for model in outcomes.models()] == ["a", "b"]


def test_names_in_a_dictionary_that_have_no_rows_are_no_models(tmp_path: Path) -> None:
    models = pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int8()), pa.array(["ghost", "real"]))
    table = pa.table({"prompt": ["p", "q"], "model": models})
    parquet.write_table(table, tmp_path / "table.parquet")

    outcomes = Outcomes.load(tmp_path / "table.parquet")

    assert [model.name for model in outcomes.models()] == ["real"]
    assert outcomes.find("real", "q") is not None
    assert outcomes.find("ghost", "p") is None


def test_only_prompt_and_model_are_needed(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"prompt": ["p"], "model": ["a"]}), tmp_path / "table.parquet")

    outcomes = Outcomes.load(tmp_path / "table.parquet")
    found = outcomes.find("a", "p")

    assert found is not None
    assert (found.answer, found.input_tokens, found.latency_s) == (None, None, None)
    assert outcomes.models()[0].prices is None


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"question": ["p"], "model": ["a"]}, "no column prompt"),
        ({"prompt": ["p"]}, "no column model"),
        ({"prompt": ["p"], "model": [None]}, "must not be null"),
        ({"prompt": ["p"], "model": ["a"], "score": ["high"]}, "cannot read the outcome table"),
    ],
)
def test_a_table_that_is_none_is_refused_and_named(
    tmp_path: Path, columns: dict[str, Any], told: str
) -> None:
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table(columns), path)

    with pytest.raises(OutcomesError, match=told) as error:
        Outcomes.load(path)

    assert "table.parquet" in str(error.value)


def test_a_file_that_is_no_parquet_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("hello")

    for name in ("text.parquet", "gone.parquet"):
        with pytest.raises(OutcomesError, match=name):
            Outcomes.load(tmp_path / name)


def test_an_empty_table_has_no_models(tmp_path: Path) -> None:
    assert Outcomes.load(_table(tmp_path, [])).models() == ()
