"""What sluice.yaml may say, as immutable pydantic models. Parsed once, passed in, never read from afar.

The descriptions are the text of the JSON Schema and of docs/configuration.md.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from streams.config.secrets import SecretRef


class _Section(BaseModel):
    """Frozen, and strict about keys: a key that is not known is a mistake."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


def _one_is_a_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Tier(StrEnum):
    """How capable and dear a model is."""

    EFFICIENT = "efficient"
    STANDARD = "standard"
    PREMIUM = "premium"


# --- Kafka ---------------------------------------------------------------------------------------------


class Security(_Section):
    """How to connect to a secured cluster. Passed to every Kafka client."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Kafka's `security.protocol`."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """Kafka's `sasl.mechanism`; needed with the SASL protocols."""
    username: str | None = None
    """SASL user."""
    password: SecretRef | None = None
    """SASL password, by reference: `${KAFKA_PASSWORD}`."""
    ca_file: Path | None = None
    """PEM file of the authorities to trust; without it the system's."""
    cert_file: Path | None = None
    """PEM file of the client's certificate (mutual TLS)."""
    key_file: Path | None = None
    """PEM file of the client's key (mutual TLS)."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"mechanism": self.mechanism, "username": self.username, "password": self.password}
        absent = [key for key, value in needed.items() if not value]
        if self.protocol.startswith("SASL") and absent:
            message = f"{self.protocol} needs mechanism, username and password; add {' and '.join(absent)}"
            raise ValueError(message)
        if bool(self.cert_file) != bool(self.key_file):
            message = "cert_file and key_file go together; give both or neither"
            raise ValueError(message)
        return self


class Kafka(_Section):
    """The bus."""

    brokers: str = "localhost:9092"
    """Bootstrap servers, `host:port,host:port`."""
    prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,100}$")] = "sluice"
    """What every topic's name begins with."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 8
    """Partitions of every per-task topic; fixed once the topics exist."""
    replication: Annotated[int, Field(ge=1, le=10)] = 1
    """Replication factor of topics that `sluice topics apply` creates; 3 in production."""
    idempotence: bool = True
    """Produce idempotently; turn off only for a broker that cannot (Tansu)."""
    security: Security = Security()
    """How to connect."""


# --- Models --------------------------------------------------------------------------------------------


class Provider(_Section):
    """An endpoint that serves models, and the key to it."""

    format: Literal["openai"] = "openai"
    """Wire format: `openai` is chat completions, which every compatible server speaks."""
    base_url: str
    """Address up to and without `/chat/completions`, like `https://api.openai.com/v1`."""
    api_key: SecretRef | None = None
    """By reference: `${OPENAI_API_KEY}`. Without it no Authorization header is sent."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest a call may take in all."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=300)] = 5.0
    """Longest a connection may take to open."""
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most calls in flight to this provider from one router."""

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            message = "not an address; begin it with http:// or https://"
            raise ValueError(message)
        return value.rstrip("/")


class Prices(_Section):
    """List prices in USD for one million tokens, as providers publish them."""

    input_usd_per_mtok: Annotated[float, Field(ge=0, le=10_000)]
    """Input tokens."""
    output_usd_per_mtok: Annotated[float, Field(ge=0, le=10_000)]
    """Output tokens, reasoning included."""
    cached_input_usd_per_mtok: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """Input tokens that the provider had cached; without it the price of input tokens."""
    request_usd: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    """Fee of one call."""


class Model(_Section):
    """One model that tasks may be sent to."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """What Sluice calls it, on topics, in metrics and in rules."""
    provider: str
    """A key of `providers`."""
    model: str | None = None
    """What the provider calls it (its deployment at Azure); without it the name."""
    tier: Tier = Tier.STANDARD
    """efficient, standard or premium."""
    prices: Prices | None = None
    """Without them the prices of the genai-prices catalogue; an error where that does not know the model."""
    context_window: Annotated[int, Field(ge=1)] = 128_000
    """Most input and output tokens together."""
    max_output_tokens: Annotated[int, Field(ge=1)] = 4_096
    """Most output tokens."""
    capabilities: tuple[str, ...] = ("tools", "json")
    """What it can do: `tools`, `json`, `vision`, or words of your own that tasks ask for."""
    region: str | None = None
    """Where it runs, for tasks that require a region."""
    quality: Annotated[float, Field(ge=0, le=1)] | None = None
    """Prior belief that its answer passes; without it 0.70, 0.82 or 0.92 by tier."""
    ttft_s: Annotated[float, Field(gt=0, le=600)] = 0.5
    """Typical time to the first token."""
    tokens_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 80.0
    """Typical output speed."""
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Most calls in flight to this model from one router."""


# --- Policy --------------------------------------------------------------------------------------------

OneOrMore = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(
        _one_is_a_list, json_schema_input_type=str | Annotated[tuple[str, ...], Field(min_length=1)]
    ),
]
OneOrMoreTiers = Annotated[
    tuple[Tier, ...],
    Field(min_length=1),
    BeforeValidator(
        _one_is_a_list, json_schema_input_type=Tier | Annotated[tuple[Tier, ...], Field(min_length=1)]
    ),
]


class Span(_Section):
    """A range of whole numbers, both ends included."""

    min: Annotated[int, Field(ge=0)] | None = None
    """At least this."""
    max: Annotated[int, Field(ge=0)] | None = None
    """At most this."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.min is None and self.max is None:
            message = "a range without ends; give `min`, `max` or both"
            raise ValueError(message)
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"min {self.min} is above max {self.max}, so nothing can match; swap them"
            raise ValueError(message)
        return self


class When(_Section):
    """Conditions on a task; all that are given must hold. A list means any of its values."""

    type: OneOrMore | None = None
    """Task types."""
    tenant: OneOrMore | None = None
    """Tenants."""
    tags: OneOrMore | None = None
    """The task has at least one of these tags."""
    language: OneOrMore | None = None
    """ISO 639-1 codes of the language the task is written in."""
    words: Span | None = None
    """Words in the conversation."""
    tokens: Span | None = None
    """Estimated input tokens."""
    any: Annotated[tuple["When", ...], Field(min_length=1)] | None = None
    """At least one of these holds."""
    none: Annotated[tuple["When", ...], Field(min_length=1)] | None = None
    """None of these holds."""


class Use(_Section):
    """Which models may be chosen."""

    models: OneOrMore | None = None
    """By name."""
    tiers: OneOrMoreTiers | None = None
    """By tier."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.models is None) == (self.tiers is None):
            message = "which models is not clear; give either `models` or `tiers`"
            raise ValueError(message)
        return self


class Rule(_Section):
    """The first rule that matches a task names the models it may go to."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """Shown in decisions and metrics."""
    when: When
    """Conditions."""
    use: Use
    """Models to choose from, cheapest first."""


class Policy(_Section):
    """How a model is chosen."""

    rules: tuple[Rule, ...] = ()
    """Tried in order; the first match wins."""
    default: Use = Use(tiers=(Tier.EFFICIENT, Tier.STANDARD))
    """Models for tasks that no rule matches, cheapest first."""
    fallback: Use = Use(tiers=(Tier.EFFICIENT, Tier.STANDARD, Tier.PREMIUM))
    """Models that stand in when all of the chosen ones have failed or are excluded, cheapest first."""
    max_steps: Annotated[int, Field(ge=1, le=10)] = 3
    """Longest plan."""
    default_max_tokens: Annotated[int, Field(ge=1)] = 1_024
    """Answer limit of a task that gives none."""
    when_all_open: Literal["try", "fail"] = "try"
    """When the breaker of every model that could serve a task is open: `try` one all the same, or `fail`."""
    seed: int = 0
    """Seed of all that is drawn by chance."""


# --- Roles ---------------------------------------------------------------------------------------------


class Router(_Section):
    """The process that reads tasks, decides, calls and publishes."""

    group: str | None = None
    """Consumer group; without it `<prefix>.router`."""
    instance: str | None = None
    """Stable name of this router for static membership, where deployments have stable names."""
    http_host: str = "127.0.0.1"
    """Where /healthz, /readyz and /metrics listen."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 9465
    """Their port; 0 takes a free one."""
    decide_only: bool = False
    """Publish decisions and leave the calling to others."""
    max_calls: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Most calls in flight from this router."""
    max_open_tasks: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """How far intake may run ahead of the committed position, per partition; there it is paused."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most tasks decided together."""
    commit_interval_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    """How often finished offsets are committed."""
    drain_timeout_s: Annotated[float, Field(gt=0, le=300)] = 20.0
    """Longest that calls in flight are waited for on SIGTERM and when a partition is taken away."""
    stall_after_s: Annotated[float, Field(gt=0)] = 120.0
    """/healthz fails when there is lag and the commit has not moved for so long."""
    session_timeout_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    """Kafka's `session.timeout.ms`."""
    state_stale_after_s: Annotated[float, Field(gt=0)] = 5.0
    """/readyz and a metric report a view of the state that is older than this."""


class Retry(_Section):
    """Repeating a call that failed for a passing reason."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Calls of one step, the first included."""
    base_s: Annotated[float, Field(gt=0, le=60)] = 0.25
    """First pause; it doubles with every attempt, with full jitter."""
    max_s: Annotated[float, Field(gt=0, le=300)] = 8.0
    """Longest pause, also the longest Retry-After that is waited for instead of moving on."""


class Tables(_Section):
    """The process that folds calls and feedback into tables and publishes snapshots."""

    instance: str | None = None
    """Stable name of this worker for static membership."""
    http_host: str = "127.0.0.1"
    """Where /healthz and /metrics listen."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 9466
    """Their port; 0 takes a free one."""
    snapshot_interval_s: Annotated[float, Field(ge=0.05, le=60)] = 0.2
    """How often changed partials are published."""
    data_dir: Path | None = None
    """Where Faust keeps its files; without it a temporary folder (tables are rebuilt from changelogs)."""


class Settings(_Section):
    """The whole of sluice.yaml."""

    kafka: Kafka = Kafka()
    """The bus."""
    providers: dict[str, Provider] = {}
    """Endpoints by name."""
    models: tuple[Model, ...] = ()
    """Models that tasks may be sent to."""
    policy: Policy = Policy()
    """How a model is chosen."""
    retry: Retry = Retry()
    """Repeating failed calls."""
    router: Router = Router()
    """The router process."""
    tables: Tables = Tables()
    """The tables process."""
