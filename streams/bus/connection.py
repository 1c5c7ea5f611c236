"""From `kafka:` of sluice.yaml to the keyword arguments that every aiokafka client takes."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.config.settings import Kafka, Security


def client_options(kafka: Kafka, environ: Mapping[str, str]) -> dict[str, Any]:
    """Options for AIOKafkaConsumer, AIOKafkaProducer and AIOKafkaAdminClient alike.

    Raises:
        MissingSecretError: the password's environment variable is not set.
        OSError: a certificate file cannot be read.
    """
    security = kafka.security
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.brokers,
        "client_id": "sluice",
        "security_protocol": security.protocol,
    }
    if security.protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(security)
    if security.protocol.startswith("SASL") and security.password is not None:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password.resolve(environ),
        }
    return options


def ssl_context(security: Security) -> ssl.SSLContext:
    """Trust in `ca_file` or the system's authorities, with the client's certificate where there is one.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = ssl.create_default_context(cafile=security.ca_file)
    if security.cert_file is not None:
        context.load_cert_chain(security.cert_file, security.key_file)
    return context


def no_broker(brokers: str | None) -> str:
    """What to say when no broker answers."""
    where = f" at {brokers}" if brokers else ""
    return (
        f"no Kafka broker answers{where}; start one with `sluice broker`, "
        "or name yours with --brokers or kafka.brokers in sluice.yaml"
    )
