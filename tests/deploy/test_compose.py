"""docker-compose.yml and the settings it mounts: valid, and of one piece. No container is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from streams.cli import app
from streams.config.load import load
from streams.config.settings import Settings
from streams.embedded.simulator import default_models
from tests.brokers import IMAGE

pytestmark = pytest.mark.contract

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "docker-compose.yml"
SCHEMA: Final = Path(__file__).parent / "third_party" / "compose-spec.json"
VALIDATOR: Final = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
"""The library inside Docker Compose, with a command that only validates."""

COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = [name for name, service in SERVICES.items() if service["image"] == "sluice"]


@pytest.fixture(scope="module")
def settings() -> Settings:
    loaded = load(ROOT / "deploy" / "sluice.yaml", environ={}, require_models=True)
    assert loaded.warnings == ()
    return loaded.settings


def _environment(service: str) -> dict[str, Any]:
    found: dict[str, Any] = SERVICES[service].get("environment", {})
    return found


def test_the_file_keeps_to_the_compose_specification() -> None:
    specification = Draft202012Validator(json.loads(SCHEMA.read_text()))

    assert [error.message for error in specification.iter_errors(COMPOSE)] == []


@pytest.mark.system
def test_compose_itself_accepts_the_file(tmp_path: Path) -> None:
    done = subprocess.run(_validator(tmp_path), cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def _validator(folder: Path) -> list[str]:
    docker, go = shutil.which("docker"), shutil.which("go")
    if docker and _succeeds([docker, "compose", "version"]):
        return [docker, "compose", "--file", str(FILE), "config", "--quiet"]
    if go and _succeeds([go, "install", VALIDATOR], GOBIN=str(folder)):
        return [str(folder / "cmd"), str(FILE)]
    pytest.skip("needs Docker's compose plugin, or Go to fetch compose's own validator")


def _succeeds(command: list[str], **environ: str) -> bool:
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("service", OURS)
def test_every_command_is_one_of_sluice(service: str) -> None:
    asked = CliRunner().invoke(app, [*SERVICES[service]["command"], "--help"])

    assert asked.exit_code == 0, asked.output


def test_every_service_that_another_waits_for_is_there() -> None:
    awaited = {name for service in SERVICES.values() for name in service.get("depends_on", {})}

    assert awaited <= set(SERVICES)
    assert {"kafka", "topics", "router", "tables", "providers"} == set(SERVICES)


def test_one_service_builds_the_image_for_all() -> None:
    assert [name for name in SERVICES if "build" in SERVICES[name]] == ["topics"]
    assert (ROOT / SERVICES["topics"]["build"]["dockerfile"]).is_file()


def test_nothing_listens_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_kafka_is_the_one_that_tests_use() -> None:
    assert SERVICES["kafka"]["image"] == IMAGE


def test_workers_connect_to_what_kafka_advertises(settings: Settings) -> None:
    advertised = _environment("kafka")["KAFKA_ADVERTISED_LISTENERS"].split(",")

    assert f"INTERNAL://{settings.kafka.brokers}" in advertised


def test_the_providers_are_the_service_and_its_port(settings: Settings) -> None:
    command = SERVICES["providers"]["command"]
    address = urlsplit(settings.providers["simulated"].base_url)

    assert (address.hostname, str(address.port)) == ("providers", command[command.index("--port") + 1])


def test_the_models_are_simulated_at_the_same_prices(settings: Settings) -> None:
    simulated = {model.name: model for model in default_models()}

    for model in settings.models:
        played = simulated[model.name]
        assert played.tier == model.tier
        assert played.prices is not None
        assert model.prices is not None
        assert model.prices.input_usd_per_mtok == pytest.approx(played.prices.input_usd_per_mtok)
        assert model.prices.output_usd_per_mtok == pytest.approx(played.prices.output_usd_per_mtok)


def test_health_is_asked_for_where_each_role_serves_it(settings: Settings) -> None:
    command = SERVICES["providers"]["command"]

    assert settings.router.http_port == Settings().router.http_port, "the image's own"
    assert "HEALTH_PORT" not in _environment("router")
    assert _environment("tables")["HEALTH_PORT"] == settings.tables.http_port
    assert str(_environment("providers")["HEALTH_PORT"]) == command[command.index("--port") + 1]


def test_a_router_is_given_the_time_to_drain(settings: Settings) -> None:
    grace_s = float(SERVICES["router"]["stop_grace_period"].removesuffix("s"))

    assert grace_s > settings.router.drain_timeout_s
