"""The demo's plan, configuration and looks, without starting anything."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
import yaml
from rich.console import Console

from streams.config.problems import ConfigError
from streams.decide import CompiledPolicy, Submission, World, decide
from streams.embedded.demo import packaged_entries, packaged_text, user_entries
from streams.embedded.demo.configuration import Bootstrap, write_from, write_packaged
from streams.embedded.demo.ledger import Ledger
from streams.embedded.demo.plan import Plan
from streams.embedded.demo.poster import Backstage, print_poster
from streams.embedded.demo.screen import Progress, screen_for
from streams.embedded.demo.summary import Summary
from streams.embedded.simulator import default_models
from streams.registry import Registry
from topics.codec import Rejection, decode_task

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDED = Bootstrap("127.0.0.1:29092", embedded=True, idempotent=False)
EXTERNAL = Bootstrap("kafka.example:9092", embedded=False)
OWN = """
kafka:
  brokers: elsewhere:9092
  replication: 3
  partitions: 2
router: {group: production, decide_only: true, max_calls: 7}
tables: {instance: tables-0}
providers:
  p: {base_url: "https://example.com/v1", api_key: "${SOME_KEY}"}
models:
  - &one {name: one, provider: p, tier: efficient, prices: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
  - {<<: *one, name: two, tier: premium}
"""


def test_the_packaged_models_are_those_that_the_simulator_plays() -> None:
    models = {model["name"]: model for model in yaml.safe_load(packaged_text())["models"]}

    assert list(models) == [model.name for model in default_models()]
    for played in default_models():
        model = models[played.name]
        for field in ("tier", "context_window", "max_output_tokens", "quality", "ttft_s", "tokens_per_s"):
            assert model[field] == getattr(played, field), (played.name, field)
        assert played.prices is not None
        for price, value in model["prices"].items():
            assert value == getattr(played.prices, price), (played.name, price)


def test_the_packaged_policy_spreads_the_packaged_tasks_over_all_tiers(tmp_path: Path) -> None:
    settings = write_packaged(tmp_path, EMBEDDED, "http://127.0.0.1:1/v1").settings
    registry = Registry.of(settings.models, settings.providers)
    policy = CompiledPolicy.of(settings.policy, registry)
    tasks = [decode_task(entry.value) for entry in packaged_entries(300)]
    batch = [
        Submission(task, str(task.task_id), f"t:0:{index}", 0.0)
        for index, task in enumerate(tasks)
        if not isinstance(task, Rejection)
    ]

    decisions = decide(batch, policy=policy, world=World(), now=0.0)

    tiers = [registry[decision.plan.steps[0].model].tier.value for decision in decisions]
    assert 0.60 <= tiers.count("efficient") / len(tiers) <= 0.70
    assert 0.25 <= tiers.count("standard") / len(tiers) <= 0.30
    assert 0.05 <= tiers.count("premium") / len(tiers) <= 0.10
    assert len({step.model for decision in decisions for step in decision.plan.steps}) == len(registry.models)


def test_malformed_records_are_spread_among_the_tasks() -> None:
    entries = packaged_entries(60)
    bad = [index for index, entry in enumerate(entries) if isinstance(decode_task(entry.value), Rejection)]

    assert (len(entries), len(bad)) == (63, 3)
    assert all(0 < place < 62 for place in bad)
    assert len({entry.key for entry in entries}) == 63


def test_a_users_lines_are_submitted_as_they_stand_keyed_by_their_ids() -> None:
    lines = (b'{"task_id": "x", "prompt": "hello"}', b'{"prompt": "no id"}', b"not json")

    entries = user_entries(lines)

    assert [entry.value for entry in entries] == list(lines)
    assert [entry.key for entry in entries] == [b"x", None, None]


def test_real_providers_are_not_hurried(tmp_path: Path) -> None:
    many = packaged_entries(3_000)

    assert Plan(many, config=tmp_path).tasks_per_s < Plan(many[:300]).tasks_per_s < Plan(many).tasks_per_s


def test_the_packaged_configuration_uses_the_demos_broker_and_providers(tmp_path: Path) -> None:
    configuration = write_packaged(tmp_path, EMBEDDED, "http://127.0.0.1:1/v1")

    assert configuration.file.read_text(encoding="utf-8") == packaged_text()
    assert configuration.settings.kafka.brokers == EMBEDDED.servers
    assert not configuration.settings.kafka.idempotence
    assert configuration.settings.providers["simulated"].base_url == "http://127.0.0.1:1/v1"


def test_on_a_kafka_of_the_users_the_topics_have_a_prefix_of_their_own(tmp_path: Path) -> None:
    first, second = (write_packaged(tmp_path, EXTERNAL, "http://x").settings.kafka.prefix for _ in range(2))

    assert first.startswith("sluice-demo-")
    assert first != second


def test_a_users_configuration_keeps_its_models_but_not_its_kafka_nor_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "secret-value")
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    (tmp_path / "demo").mkdir()

    configuration = write_from(own, tmp_path / "demo", EMBEDDED)

    settings = configuration.settings
    assert [model.name for model in settings.models] == ["one", "two"]
    assert (settings.kafka.brokers, settings.kafka.prefix) == (EMBEDDED.servers, "sluice")
    assert (settings.kafka.replication, settings.kafka.partitions, settings.kafka.idempotence) == (
        1,
        2,
        False,
    )
    assert (settings.router.group, settings.router.decide_only, settings.router.max_calls) == (None, False, 7)
    assert settings.tables.instance is None
    assert "secret-value" not in configuration.file.read_text()


@pytest.mark.parametrize(("written", "expected"), [("", "sluice-demo-"), ("  prefix: mine\n", "mine")])
def test_a_prefix_that_the_user_names_is_kept(tmp_path: Path, written: str, expected: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN.replace("kafka:\n", f"kafka:\n{written}"))
    (tmp_path / "demo").mkdir()

    kafka = write_from(own, tmp_path / "demo", EXTERNAL).settings.kafka

    assert kafka.prefix.startswith(expected)
    assert (kafka.brokers, kafka.replication) == (EXTERNAL.servers, 3)


def test_mistakes_are_told_of_the_users_file(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN.replace("provider: p", "provider: q"))

    with pytest.raises(ConfigError, match=r"own\.yaml"):
        write_from(own, tmp_path, EMBEDDED)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("lost", [0, 2])
def test_the_summary_fits_the_terminal(tmp_path: Path, width: int, lost: int) -> None:
    settings = write_packaged(tmp_path, EMBEDDED, "http://x").settings
    ledger = Ledger(Registry.of(settings.models, settings.providers))
    for account in ledger.models.values():
        account.answered = 1_234
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)

    print_poster(
        console,
        Summary(
            tasks=3_003,
            completed=3_000 - lost,
            failed=0,
            dead_lettered=3,
            lost=lost,
            duplicates=0,
            cost_usd=4.8,
            baseline_cost_usd=40.1,
            saving=0.8803,
            latency_ms={"p50": 400.0, "p95": 11_200.0, "p99": None},
            tiers={"efficient": 0.63, "standard": 0.28, "premium": 0.09},
            failovers=55,
            broker="kafka",
            duration_s=17.2,
        ),
        Backstage(
            ledger=ledger,
            tiers={model.name: model.tier.value for model in settings.models},
            broker="Apache Kafka on the local JVM",
            providers="providers simulated",
            outage="gpt-4o-mini answered 503 for 3 s",
            commands=[("sluice demo --keep", "leave it running")],
        ),
    )

    lines = out.getvalue().splitlines()
    text = out.getvalue()
    assert max(len(line.rstrip()) for line in lines) <= width
    for told in (
        "$4.80",
        "$40.10",
        "88.0% less",
        "11,200 ms",
        "63.0%",
        "claude-opus-4-1 1234",
        "sluice demo --keep",
    ):
        assert told in text, told
    assert ("2 lost" if lost else "none lost") in text


def test_elsewhere_than_on_a_terminal_progress_is_plain_lines(tmp_path: Path) -> None:
    settings = write_packaged(tmp_path, EMBEDDED, "http://x").settings
    ledger = Ledger(Registry.of(settings.models, settings.providers))
    out = StringIO()

    with screen_for(Console(file=out, width=80)) as screen:
        screen.say("starting")
        screen.show(Progress(ledger, total=10, elapsed_s=1.5, tiers={}))

    assert out.getvalue().splitlines() == [
        "starting",
        "  1.5 s  0 of 10 submitted, 0 done, $0.0000 against $0.0000",
    ]
