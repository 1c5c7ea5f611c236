"""LiteLLM's settings beside its models: those that sluice.yaml can say, and why the others have no counterpart.

Source: LiteLLM's documentation, "All settings". What stands in router_settings counts before litellm_settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.config.importing import access
from streams.config.importing.values import MOST_ATTEMPTS, MOST_CALLS, MOST_STEPS, number, plain, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.config.importing.litellm_model import Context
    from streams.config.importing.report import Ledger
    from streams.config.problems import Loc

_BREAKER = "the breaker of a model opens on the share of its failures and needs no numbers"
_CACHE = "Sluice does not keep answers"
_LOGS = "Sluice has structured logs and /metrics; every call is on a topic"
_BUDGET = "Sluice has no budgets yet; a task may carry `requirements.max_cost_usd`"
_SERVER = "tasks come over Kafka: the cluster decides who may send them"
_DATABASE = "Sluice has no database; what it knows is on topics"
_REDIS = "Sluice needs no Redis; routers share what they know over Kafka"
_PASSED = "Sluice passes on what the task says and nothing else"
_LONGEST_PAUSE_S = 60
_MOST_CALLS_OF_A_ROUTER = 100_000

ROUTER = {
    "routing_strategy": "the cheapest fit model is called, the next where it fails",
    "routing_strategy_args": "the cheapest fit model is called, the next where it fails",
    **dict.fromkeys(
        ("allowed_fails", "allowed_fails_policy", "cooldown_time", "disable_cooldowns"), _BREAKER
    ),
    "provider_budget_config": _BUDGET,
    "retry_policy": "what is worth repeating is known by kind: throttled, timeout, network, server",
    "stream_timeout": "Sluice does not stream",
    **dict.fromkeys(("redis_host", "redis_password", "redis_port", "redis_url", "redis_db"), _REDIS),
    **dict.fromkeys(("cache_responses", "cache_kwargs", "caching_groups", "cache_params"), _CACHE),
    **dict.fromkeys(("enable_tag_filtering", "tag_filtering_match_any"), "write rules, `when: {tags: …}`"),
    "default_priority": "tasks of a partition are decided in their order",
    "default_litellm_params": "send it with the tasks",
    "model_group_retry_policy": "retries are set once for all calls: `retry.max_attempts`",
}
MODULE = {
    **dict.fromkeys(
        (
            "success_callback",
            "failure_callback",
            "callbacks",
            "service_callbacks",
            "set_verbose",
            "json_logs",
        ),
        _LOGS,
    ),
    **dict.fromkeys(
        ("turn_off_message_logging", "redact_user_api_key_info", "redact_messages_in_exceptions"),
        "no prompt, answer or key is ever logged",
    ),
    **dict.fromkeys(("cache", "cache_params"), _CACHE),
    **dict.fromkeys(("drop_params", "modify_params", "additional_drop_params"), _PASSED),
    **dict.fromkeys(("max_budget", "budget_duration", "max_end_user_budget"), _BUDGET),
    **dict.fromkeys(("allowed_fails", "cooldown_time"), _BREAKER),
    "guardrails": "Sluice checks answers, not prompts",
}
GENERAL = {
    **dict.fromkeys(
        ("master_key", "custom_auth", "enable_jwt_auth", "allowed_routes", "allowed_ips", "litellm_jwtauth"),
        _SERVER,
    ),
    **dict.fromkeys(
        (
            "database_url",
            "store_model_in_db",
            "database_connection_pool_limit",
            "database_connection_timeout",
        ),
        _DATABASE,
    ),
    **dict.fromkeys(("alerting", "alerting_threshold", "alert_types", "alerting_args"), "alert on /metrics"),
    **dict.fromkeys(
        ("background_health_checks", "health_check_interval"), "health is known from the calls themselves"
    ),
}
SECTIONS = {
    "router_settings": (ROUTER, "a setting of LiteLLM's router that Sluice has no part for"),
    "litellm_settings": (MODULE, "a setting of LiteLLM itself that Sluice has no part for"),
    "general_settings": (GENERAL, "a setting of LiteLLM's proxy, its keys, pages and database"),
}
TOP = {
    "environment_variables": "export it before starting; a value does not stand in sluice.yaml",
    "credential_list": "no model that is imported uses it",
    "include": "import the files that it names by themselves",
    "callback_settings": _LOGS,
    "guardrails": "Sluice checks answers, not prompts",
    **dict.fromkeys(
        (
            "mcp_servers",
            "vector_store_registry",
            "search_tools",
            "prompts",
            "finetune_settings",
            "files_settings",
        ),
        "Sluice calls chat completions and nothing else",
    ),
}


def without_counterpart(data: Mapping[str, Any], ledger: Ledger) -> None:
    """Say of what is left why there is nothing in sluice.yaml that stands for it."""
    for section, (reasons, otherwise) in SECTIONS.items():
        values = data.get(section)
        for key in values if isinstance(values, dict) else ():
            ledger.none((section, key), reasons.get(key, otherwise))
    for key, reason in TOP.items():
        if key in data:
            ledger.none((key,), reason)


class Settings:
    """Settings that have a counterpart."""

    def __init__(self, data: Mapping[str, Any], ledger: Ledger, context: Context) -> None:
        self._data = data
        self._ledger = ledger
        self._context = context

    def before_models(self) -> None:
        """What models take from the settings: timeouts, concurrency."""
        for loc, value in self._effective(
            ("router_settings", "timeout"), ("litellm_settings", "request_timeout")
        ):
            said = access.timeout(value)
            if said.lost:
                self._ledger.none(loc, said.what)
            else:
                self._ledger.changed(
                    loc, f"`timeout_s: {plain(said.value)}` of every provider without its own"
                )
                self._context.timeout_s = said.value
        places = (
            ("router_settings", "default_max_parallel_requests"),
            ("general_settings", "max_parallel_requests"),
        )
        for loc, value in self._effective(*places):
            if (calls := whole(value)) is not None:
                self._context.max_concurrency = min(calls, MOST_CALLS)
                self._ledger.changed(loc, "`max_concurrency` of every model, which bounds one router's calls")

    def after_models(self) -> None:
        """Retries, steps, and what a router bears."""
        draft = self._context.draft
        retries: Loc = ("router_settings", "num_retries")
        self._set(draft.retry, "max_attempts", self._attempts, retries, ("litellm_settings", "num_retries"))
        self._set(draft.retry, "base_s", self._pause, ("router_settings", "retry_after"))
        self._set(draft.policy, "max_steps", self._steps, ("router_settings", "max_fallbacks"))
        self._set(
            draft.router, "max_calls", self._calls, ("general_settings", "global_max_parallel_requests")
        )
        self._checks()

    def _checks(self) -> None:
        for key in ("enable_pre_call_checks", "enable_pre_call_check"):
            for loc, value in self._effective(("router_settings", key), ("litellm_settings", key)):
                always = "models whose window is too small are always passed over before the call"
                say = self._ledger.taken if value is True else self._ledger.changed
                say(loc, always)

    def _set(
        self, section: dict[str, Any], key: str, read: Callable[[Any], tuple[Any, str]], *places: Loc
    ) -> None:
        for loc, value in self._effective(*places):
            found, what = read(value)
            if found is None:
                self._ledger.none(loc, what)
            else:
                section[key] = found
                self._ledger.changed(loc, what)

    def _effective(self, *places: Loc) -> list[tuple[Loc, Any]]:
        """The first of these that the source has; the others are said to be overridden."""
        there = [
            (place, self._data[str(place[0])][place[1]])
            for place in places
            if isinstance(self._data.get(str(place[0])), dict) and place[1] in self._data[str(place[0])]
        ]
        for place, _ in there[1:]:
            self._ledger.none(place, f"{there[0][0][0]}.{there[0][0][1]} counts, as it does for LiteLLM")
        return there[:1]

    def _attempts(self, value: Any) -> tuple[int | None, str]:  # noqa: ANN401 - plain data
        found = whole(value, least=0)
        if found is None:
            return None, "not a number of retries"
        attempts = min(found + 1, MOST_ATTEMPTS)
        return attempts, f"`retry.max_attempts: {attempts}`, which counts the first call, for each model"

    def _pause(self, value: Any) -> tuple[Any, str]:  # noqa: ANN401 - plain data
        found = number(value)
        if found is None or not 0 < found <= _LONGEST_PAUSE_S:
            return None, "not a pause above 0 and up to 60 s; Sluice begins with 0.25 s"
        return found, "`retry.base_s`: the first pause, which doubles and is drawn by chance"

    def _steps(self, value: Any) -> tuple[int | None, str]:  # noqa: ANN401 - plain data
        found = whole(value, least=0)
        if found is None:
            return None, "not a number of fallbacks"
        steps = min(found + 1, MOST_STEPS)
        return steps, f"`policy.max_steps: {steps}`, which counts the first model"

    def _calls(self, value: Any) -> tuple[int | None, str]:  # noqa: ANN401 - plain data
        found = whole(value)
        if found is None:
            return None, "not a number of calls"
        return min(found, _MOST_CALLS_OF_A_ROUTER), "`router.max_calls`, for each router by itself"
