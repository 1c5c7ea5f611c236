"""Every client of Sluice against a broker that wants SASL and TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streams.config.load import load_settings
from streams.embedded.broker import Machine, ports
from streams.embedded.broker.errors import UnavailableError
from streams.embedded.broker.kafka_jvm import find_kafka
from streams.tables.worker import TablesService
from tests.router.harness import provider, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.system

PASSWORD = "correct horse"
CONFIG = """
kafka:
  brokers: 127.0.0.1:{port}
  partitions: 2
  security:
    protocol: SASL_SSL
    mechanism: PLAIN
    username: sluice
    password: ${{KAFKA_PASSWORD}}
    ca_file: {certificate}
providers: {{scripted: {{base_url: "{url}"}}}}
models:
  - {{name: small, provider: scripted, tier: efficient, prices: {{input_usd_per_mtok: 1, output_usd_per_mtok: 1}}}}
router: {{http_port: 0}}
tables: {{http_port: 0}}
"""


def secured(folder: Path, port: int, certificate: str, key: str) -> None:
    """Turn the client listener of a broker's properties into SASL_SSL."""
    path = folder / "server.properties"
    given = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    listeners = given["listeners"].replace("PLAINTEXT://", "CLIENT://", 1)
    users = f'username="sluice" password="{PASSWORD}" user_sluice="{PASSWORD}"'
    given |= {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENT:SASL_SSL",
        "inter.broker.listener.name": "CLIENT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": (
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": certificate.replace("\n", "\\n"),
        "ssl.keystore.key": key.replace("\n", "\\n"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": certificate.replace("\n", "\\n"),
    }
    path.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    assert f"CLIENT://127.0.0.1:{port}" in listeners


@pytest.fixture
async def secure_broker(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """A broker's port, and the certificate to trust."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    try:
        kafka = await find_kafka(Machine.here(), lambda _: None)
    except UnavailableError as error:
        pytest.skip(f"needs Apache Kafka on the local JVM: {error}")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    extension = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, [*made, *extension], check=True, capture_output=True)
    folder = tmp_path / "broker"
    folder.mkdir()
    port = ports.pick_free()
    command = await kafka.command(folder, port)
    secured(folder, port, certificate.read_text(), key.read_text())
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
    try:
        yield port, certificate
    finally:
        process.kill()
        await process.wait()


async def sluice(*arguments: str, password: str = PASSWORD) -> tuple[int, str]:
    """Run a command; its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "streams.cli",
        *arguments,
        env={**os.environ, "KAFKA_PASSWORD": password},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_all_clients_speak_sasl_and_tls(secure_broker: tuple[int, Path], tmp_path: Path) -> None:
    port, certificate = secure_broker
    config = tmp_path / "sluice.yaml"
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"prompt": "Summarise", "task_id": "t"}\n')
    async with provider() as scripted:
        config.write_text(CONFIG.format(port=port, certificate=certificate, url=scripted.url))

        async def applied() -> bool:
            code, _ = await sluice("topics", "apply", "--config", str(config))
            return code == 0

        await until(applied, within_s=60)
        environ = {"KAFKA_PASSWORD": PASSWORD}
        configured = load_settings(config, environ=environ)
        async with TablesService(configured, environ), running(configured, environ) as router:
            code, said = await sluice("submit", str(tasks), "--wait", "--config", str(config), "--json")
            assert code == 0, said
            assert '"status":"completed"' in said
            await until(lambda: _hears_the_tables(router))
            code, said = await sluice("state", "--json", "--config", str(config))
            assert code == 0, said
            assert PASSWORD not in said


async def test_a_wrong_password_is_said_in_one_sentence(
    secure_broker: tuple[int, Path], tmp_path: Path
) -> None:
    port, certificate = secure_broker
    config = tmp_path / "sluice.yaml"
    config.write_text(CONFIG.format(port=port, certificate=certificate, url="http://127.0.0.1:9/v1"))

    async def listening() -> bool:
        code, _ = await sluice("topics", "apply", "--config", str(config))
        return code == 0

    await until(listening, within_s=60)
    code, said = await sluice("topics", "list", "--config", str(config), password="wrong")  # noqa: S106 - see above
    assert code == 1
    assert "Traceback" not in said
    assert "wrong" not in said


def _hears_the_tables(router: Any) -> bool:
    age = router._knowledge.age_s(router._clock.time())
    return age is not None and age < 5
