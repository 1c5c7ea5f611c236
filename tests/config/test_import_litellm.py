"""LiteLLM's config.yaml, written as its documentation shows it, becomes a sluice.yaml that loads."""

from __future__ import annotations

from decimal import Decimal

import pytest

from streams.config.importing import Imported, Kind
from streams.config.importing.source import ImportFailedError
from tests.config.imports import imported, told

BALANCED = """
    model_list:
      - model_name: gpt-4o
        litellm_params:
          model: azure/gpt-4o-west
          api_base: https://west.openai.azure.com/
          api_key: os.environ/AZURE_KEY_WEST
          api_version: "2024-10-21"
          rpm: 60
        model_info: {base_model: azure/gpt-4o}
      - model_name: gpt-4o
        litellm_params:
          model: azure/gpt-4o-east
          api_base: https://east.openai.azure.com/
          api_key: os.environ/AZURE_KEY_EAST
          rpm: 600
          weight: 9
      - model_name: claude
        litellm_params: {model: anthropic/claude-3-opus-20240229, timeout: 90}
    router_settings:
      routing_strategy: simple-shuffle
      model_group_alias: {gpt-4: gpt-4o, typo: {model: gpt-4o, hidden: true}, gone: nothing}
      num_retries: 2
      retry_after: 5
      timeout: 30
      allowed_fails: 3
      cooldown_time: 30
      enable_pre_call_checks: true
      fallbacks: [{gpt-4o: [claude]}]
      provider_budget_config: {openai: {budget_limit: 100, time_period: 1d}}
    litellm_settings:
      num_retries: 5
      request_timeout: 600
      drop_params: true
    general_settings:
      master_key: sk-master
"""


def one(params: str, info: str = "{}") -> Imported:
    """An import of one model."""
    return imported(f"model_list: [{{model_name: m, litellm_params: {params}, model_info: {info}}}]")


# --- Models --------------------------------------------------------------------------------------------


def test_deployments_of_one_name_become_models_and_a_rule_that_uses_them_all() -> None:
    settings = imported(BALANCED).settings
    assert [(m.name, m.provider, m.model) for m in settings.models] == [
        ("gpt-4o", "azure", "gpt-4o-west"),
        ("gpt-4o-2", "azure-2", "gpt-4o-east"),
        ("claude", "anthropic", "claude-3-opus-20240229"),
    ]
    rules = {rule.name: (rule.when.tags, rule.use.models) for rule in settings.policy.rules}
    assert rules == {
        "gpt-4o": (("gpt-4o", "gpt-4", "typo"), ("gpt-4o", "gpt-4o-2")),
        "claude": (("claude",), ("claude",)),
    }


def test_a_provider_is_an_address_with_a_key_and_a_timeout() -> None:
    providers = imported(BALANCED).settings.providers
    assert providers["azure"].base_url == "https://west.openai.azure.com/openai/v1"
    assert str(providers["azure-2"].api_key) == "${AZURE_KEY_EAST}"
    assert (providers["azure"].timeout_s, providers["anthropic"].timeout_s) == (30, 90)


def test_what_has_no_counterpart_yet_is_said_to_have_none() -> None:
    found = imported(BALANCED)
    for key in (
        "model_list[0].litellm_params.rpm",
        "model_list[1].litellm_params.weight",
        "router_settings.allowed_fails",
        "router_settings.cooldown_time",
        "router_settings.provider_budget_config.openai.budget_limit",
        "litellm_settings.drop_params",
        "general_settings.master_key",
        "router_settings.model_group_alias.gone",
    ):
        assert told(found, key)[0] == "no_counterpart"


def test_router_settings_count_before_litellm_settings() -> None:
    found = imported(BALANCED)
    assert found.settings.retry.max_attempts == 3
    assert told(found, "router_settings.num_retries")[0] == "changed"
    assert told(found, "litellm_settings.num_retries") == (
        "no_counterpart",
        "router_settings.num_retries counts, as it does for LiteLLM",
    )
    assert found.settings.retry.base_s == 5


def test_fallbacks_are_one_set_for_all_tasks() -> None:
    found = imported(BALANCED)
    assert found.settings.policy.fallback.models == ("claude",)
    assert found.settings.policy.default.models == ("gpt-4o", "gpt-4o-2", "claude")
    outcome, what = told(found, "router_settings.fallbacks[0].gpt-4o")
    assert outcome == "changed"
    assert "one set for all tasks, cheapest first" in what


def test_every_kind_of_fallback_names_stand_ins_by_group_alias_or_id() -> None:
    found = imported("""
        model_list:
          - {model_name: small, litellm_params: {model: gpt-4o-mini}}
          - {model_name: large, litellm_params: {model: gpt-4o}, model_info: {id: the-large-one}}
          - {model_name: other, litellm_params: {model: groq/llama3-8b-8192}}
        router_settings:
          context_window_fallbacks: [{small: [the-large-one]}]
          content_policy_fallbacks: [{small: [nowhere]}]
        litellm_settings:
          default_fallbacks: [other]
    """)
    assert found.settings.policy.fallback.models == ("large", "other")
    assert told(found, "router_settings.content_policy_fallbacks[0].small") == (
        "no_counterpart",
        "no model that it names is imported",
    )
    assert told(found, "litellm_settings.default_fallbacks")[0] == "changed"
    assert told(found, "model_list[1].model_info.id") == ("changed", "fallbacks that name it mean `large`")


def test_without_fallbacks_the_report_warns_that_others_stand_in() -> None:
    found = imported("""
        model_list:
          - {model_name: here, litellm_params: {model: ollama/llama3}}
          - {model_name: there, litellm_params: {model: gpt-4o}}
    """)
    assert any("any of here, there stands in" in note for note in found.report.notes)


def test_an_alias_takes_the_place_of_a_group_of_that_name() -> None:
    found = imported("""
        model_list:
          - {model_name: old, litellm_params: {model: gpt-4}}
          - {model_name: new, litellm_params: {model: gpt-4o}}
        router_settings: {model_group_alias: {old: new}}
    """)
    assert [(rule.name, rule.when.tags) for rule in found.settings.policy.rules] == [("new", ("old", "new"))]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (
            "{model: bedrock/anthropic.claude-v2, aws_region_name: eu-west-1}",
            "Amazon Bedrock speaks a format of its own",
        ),
        ("{model: vertex_ai/gemini-pro}", "Vertex AI wants Google's short-lived tokens"),
        ("{model: 'openai/*'}", "every model of a provider"),
        ("{model: text-embedding-3-small}", "not a model for chat completions"),
        ("{model: who-knows/model}", "the provider is not known here"),
        ("{model: os.environ/MODEL}", "its `model` is not written here"),
        ("{api_key: none}", "its `model` is not written here"),
    ],
)
def test_what_sluice_cannot_call_is_left_out_and_said_so(params: str, reason: str) -> None:
    found = one(params)
    assert found.settings.models == ()
    assert all(entry.outcome.value == "no_counterpart" for entry in found.report.entries)
    assert reason in told(found, "model_list[0].model_name")[1]
    assert found.report.notes[0].startswith("No model could be taken over")


def test_other_modes_than_chat_are_left_out() -> None:
    assert one("{model: openai/x}", "{mode: embedding}").settings.models == ()
    assert one("{model: openai/gpt-4o}", "{mode: chat}").settings.models[0].name == "m"


@pytest.mark.parametrize(
    ("params", "base_url"),
    [
        ("{model: gpt-4o}", "https://api.openai.com/v1"),
        ("{model: openai/qwen, api_base: 'http://vllm:8000/v1'}", "http://vllm:8000/v1"),
        ("{model: ollama/llama3}", "http://localhost:11434/v1"),
        ("{model: ollama_chat/llama3, api_base: 'http://gpu:11434'}", "http://gpu:11434/v1"),
        ("{model: hosted_vllm/qwen, api_base: 'http://vllm:8000/v1/'}", "http://vllm:8000/v1"),
        ("{model: mistral/mistral-large-latest}", "https://api.mistral.ai/v1"),
        ("{model: groq/llama3-8b-8192}", "https://api.groq.com/openai/v1"),
        ("{model: deepseek/deepseek-chat}", "https://api.deepseek.com/v1"),
        ("{model: together_ai/meta-llama/Llama-3-70b-chat-hf}", "https://api.together.xyz/v1"),
        ("{model: openrouter/openai/gpt-4o}", "https://openrouter.ai/api/v1"),
        ("{model: gemini/gemini-2.0-flash}", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("{model: qwen, custom_llm_provider: openai, api_base: 'https://a/v1'}", "https://a/v1"),
        (
            "{model: azure/d, api_base: 'https://r.openai.azure.com/openai/deployments/d?api-version=1'}",
            "https://r.openai.azure.com/openai/v1",
        ),
        ("{model: newcomer/model, api_base: 'https://newcomer.example/v1'}", "https://newcomer.example/v1"),
    ],
)
def test_addresses_are_those_of_chat_completions(params: str, base_url: str) -> None:
    (provider,) = one(params).settings.providers.values()
    assert provider.base_url == base_url


def test_an_address_in_a_variable_stays_there() -> None:
    found = one("{model: azure/d, api_base: os.environ/AZURE_API_BASE, api_key: os.environ/AZURE_API_KEY}")
    assert "base_url: ${AZURE_API_BASE}/openai/v1\n" in found.text
    assert {export.name for export in found.report.exports} == {"AZURE_API_BASE", "AZURE_API_KEY"}


def test_what_is_no_address_becomes_a_variable() -> None:
    found = one("{model: azure/d, api_base: <your-endpoint>, api_key: <your-key>}")
    assert "base_url: ${AZURE_API_BASE}/openai/v1\n" in found.text
    assert told(found, "model_list[0].litellm_params.api_base")[0] == "changed"


def test_anchors_and_merge_keys_are_followed() -> None:
    found = imported("""
        model_list:
          - &base
            model_name: a
            litellm_params: &params {model: groq/llama3-8b-8192, api_key: os.environ/GROQ, timeout: 5}
          - <<: *base
            model_name: b
            litellm_params: {<<: *params, timeout: 6}
    """)
    assert [(m.name, found.settings.providers[m.provider].timeout_s) for m in found.settings.models] == [
        ("a", 5),
        ("b", 6),
    ]


def test_a_named_credential_gives_key_and_address() -> None:
    found = imported("""
        model_list:
          - {model_name: a, litellm_params: {model: azure/gpt-4o, litellm_credential_name: production}}
        credential_list:
          - credential_name: production
            credential_values:
              api_key: os.environ/PRODUCTION_KEY
              api_base: https://production.openai.azure.com
              api_version: "2024-10-21"
            credential_info: {description: for the west}
    """)
    (provider,) = found.settings.providers.values()
    assert (provider.base_url, str(provider.api_key)) == (
        "https://production.openai.azure.com/openai/v1",
        "${PRODUCTION_KEY}",
    )
    assert told(found, "credential_list[0].credential_values.api_key")[0] == "taken_over"


# --- Secrets -------------------------------------------------------------------------------------------


def everything(found: Imported) -> str:
    return found.text + repr(found.report)


def test_a_key_in_the_source_is_not_copied_and_never_shown() -> None:
    found = one("{model: openai/gpt-4o, api_key: sk-very-secret}")
    assert "sk-very-secret" not in everything(found)
    assert str(found.settings.providers["openai"].api_key) == "${OPENAI_API_KEY}"
    assert told(found, "model_list[0].litellm_params.api_key") == (
        "changed",
        "not copied: `${OPENAI_API_KEY}` stands for it; export OPENAI_API_KEY",
    )
    assert [export.name for export in found.report.exports] == ["OPENAI_API_KEY"]


def test_different_keys_get_different_names_and_equal_ones_the_same() -> None:
    found = imported("""
        model_list:
          - {model_name: a, litellm_params: {model: gpt-4o, api_key: sk-first}}
          - {model_name: b, litellm_params: {model: gpt-4o, api_key: sk-second}}
          - {model_name: c, litellm_params: {model: gpt-4o-mini, api_key: sk-first}}
    """)
    by_model = {m.name: str(found.settings.providers[m.provider].api_key) for m in found.settings.models}
    assert by_model == {"a": "${OPENAI_API_KEY}", "b": "${OPENAI_API_KEY_2}", "c": "${OPENAI_API_KEY}"}


@pytest.mark.parametrize("elsewhere", ["", ", api_key: os.environ/OPENAI_API_KEY"])
def test_a_key_in_the_source_takes_no_name_that_another_needs(elsewhere: str) -> None:
    found = imported(f"""
        model_list:
          - {{model_name: a, litellm_params: {{model: gpt-4o, api_key: sk-first}}}}
          - {{model_name: b, litellm_params: {{model: gpt-4o{elsewhere}}}}}
    """)
    assert [str(p.api_key) for p in found.settings.providers.values()] == [
        "${OPENAI_API_KEY_2}",
        "${OPENAI_API_KEY}",
    ]


def test_a_key_is_not_sent_to_an_address_that_it_is_not_for() -> None:
    (provider,) = one("{model: openai/qwen, api_base: 'http://vllm:8000/v1'}").settings.providers.values()
    assert provider.api_key is None


@pytest.mark.parametrize("nothing", ["none", "EMPTY", "''", "null"])
def test_a_word_for_no_key_is_no_key(nothing: str) -> None:
    found = one(f"{{model: hosted_vllm/qwen, api_base: 'http://v/v1', api_key: {nothing}}}")
    assert found.settings.providers["vllm"].api_key is None


def test_a_variable_whose_name_cannot_be_referred_to_is_renamed() -> None:
    found = one("{model: gpt-4o, api_key: os.environ/MY-KEY}")
    assert str(found.settings.providers["openai"].api_key) == "${MY_KEY}"
    assert told(found, "model_list[0].litellm_params.api_key")[0] == "changed"


def test_a_password_in_an_address_is_not_copied() -> None:
    found = one("{model: openai/qwen, api_base: 'https://me:hunter2@host:8443/v1?token=hunter3'}")
    (provider,) = found.settings.providers.values()
    assert provider.base_url == "https://host:8443/v1"
    assert "hunter" not in everything(found)


def test_no_secret_of_the_settings_is_shown() -> None:
    found = imported("""
        model_list: []
        general_settings: {master_key: sk-hunter2, database_url: "postgresql://u:hunter2@db/x"}
        router_settings: {redis_password: hunter2}
        environment_variables: {OPENAI_API_KEY: hunter2}
    """)
    assert "hunter2" not in everything(found)
    assert told(found, "environment_variables.OPENAI_API_KEY")[0] == "no_counterpart"


# --- Prices, limits, capabilities ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_token", "per_million"),
    [
        ("0.00000015", "0.15"),
        ("1.5e-07", "0.15"),
        ("1e-07", "0.1"),
        ("'0.000003'", "3.0"),
        ("0.000000003333333333", "0.003333333333"),
        ("0", "0.0"),
    ],
)
def test_prices_are_those_of_a_million_tokens_exactly(per_token: str, per_million: str) -> None:
    info = f"{{input_cost_per_token: {per_token}, output_cost_per_token: 0.00000060}}"
    found = one("{model: hosted_vllm/q, api_base: 'http://v/v1'}", info)
    assert f"input_usd_per_mtok: {per_million}," in found.text
    prices = found.settings.models[0].prices
    assert prices is not None
    assert Decimal(str(prices.input_usd_per_mtok)) == Decimal(per_million)
    assert prices.output_usd_per_mtok == 0.6


def test_prices_may_stand_among_the_parameters_and_count_there() -> None:
    found = one(
        "{model: gpt-4o, input_cost_per_token: 0.000002, output_cost_per_token: 0.000004}",
        "{input_cost_per_token: 0.000009, cache_read_input_token_cost: 0.000001}",
    )
    prices = found.settings.models[0].prices
    assert prices is not None
    assert (prices.input_usd_per_mtok, prices.output_usd_per_mtok, prices.cached_input_usd_per_mtok) == (
        2,
        4,
        1,
    )
    assert told(found, "model_list[0].model_info.input_cost_per_token")[0] == "no_counterpart"


@pytest.mark.parametrize("price", ["-1", "1", "lots", ".inf", "[1]", "true"])
def test_what_is_no_price_is_not_taken(price: str) -> None:
    found = one("{model: gpt-4o}", f"{{input_cost_per_token: {price}}}")
    assert told(found, "model_list[0].model_info.input_cost_per_token")[0] == "no_counterpart"
    assert found.settings.models[0].prices is None


def test_a_deployment_is_priced_as_the_model_behind_it() -> None:
    found = one("{model: azure/our-deployment}", "{base_model: azure/gpt-4o}")
    prices = found.settings.models[0].prices
    assert prices is not None
    assert prices.input_usd_per_mtok == 2.5
    assert (
        "prices are those of gpt-4o in the catalogue" in told(found, "model_list[0].litellm_params.model")[1]
    )


def test_a_model_of_which_no_price_is_known_is_free_and_the_report_says_so() -> None:
    found = one("{model: azure/our-deployment}")
    prices = found.settings.models[0].prices
    assert prices is not None
    assert prices.input_usd_per_mtok == prices.output_usd_per_mtok == 0
    assert told(found, "model_list[0].litellm_params.model")[0] == "changed"
    assert any(note.startswith("No price is known of m: 0 is written") for note in found.report.notes)


def test_a_model_that_the_catalogue_knows_needs_no_prices() -> None:
    assert one("{model: gpt-4o}").settings.models[0].prices is None


@pytest.mark.parametrize(
    ("info", "window", "output"),
    [
        ("{max_input_tokens: 200000, max_output_tokens: 8192}", 200_000, 8_192),
        ("{max_input_tokens: 2048}", 2_048, 2_048),
        ("{max_input_tokens: 2048, max_output_tokens: 4096}", 2_048, 2_048),
        ("{max_output_tokens: 200000}", 200_000, 200_000),
        ("{max_tokens: 8192}", 128_000, 8_192),
        ("{max_tokens: 8192, max_output_tokens: 1000}", 128_000, 1_000),
        ("{max_input_tokens: many, max_output_tokens: -1}", 128_000, 4_096),
    ],
)
def test_limits_fit_into_one_window(info: str, window: int, output: int) -> None:
    model = one("{model: gpt-4o}", info).settings.models[0]
    assert (model.context_window, model.max_output_tokens) == (window, output)


def test_capabilities_are_what_it_supports() -> None:
    info = "{supports_vision: true, supports_function_calling: false, supports_reasoning: true, supports_pdf_input: x}"
    found = one("{model: gpt-4o}", info)
    assert found.settings.models[0].capabilities == ("json", "vision", "reasoning")
    assert told(found, "model_list[0].model_info.supports_vision") == ("taken_over", "capability `vision`")
    assert told(found, "model_list[0].model_info.supports_pdf_input") == (
        "no_counterpart",
        "neither true nor false",
    )


def test_concurrency_and_region() -> None:
    found = imported("""
        model_list:
          - {model_name: a, litellm_params: {model: gpt-4o, max_parallel_requests: 7, region_name: eu}}
          - {model_name: b, litellm_params: {model: gpt-4o}}
        router_settings: {default_max_parallel_requests: 99, max_fallbacks: 5}
        general_settings: {global_max_parallel_requests: 500, completion_model: b}
    """).settings
    assert [(m.max_concurrency, m.region) for m in found.models] == [(7, "eu"), (99, None)]
    assert (found.router.max_calls, found.policy.max_steps) == (500, 6)
    assert found.policy.default.models == ("b",)


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("600", 600), ("'12.5'", 12.5), ("6000", 3600), ("0", 60), ("soon", 60)]
)
def test_timeouts_are_within_what_sluice_takes(timeout: str, seconds: float) -> None:
    found = imported(f"""
        model_list: [{{model_name: a, litellm_params: {{model: gpt-4o}}}}]
        litellm_settings: {{request_timeout: {timeout}}}
    """)
    assert found.settings.providers["openai"].timeout_s == seconds


def test_text_that_looks_like_a_reference_stays_text() -> None:
    found = imported("model_list: [{model_name: '${NAME}', litellm_params: {model: 'openai/${MODEL}'}}]")
    assert (found.settings.models[0].name, found.settings.models[0].model) == ("${NAME}", "${MODEL}")
    assert found.settings.policy.rules[0].when.tags == ("${NAME}",)


def test_a_model_list_that_is_no_list_is_refused() -> None:
    with pytest.raises(ImportFailedError, match="model_list is not a list"):
        imported("model_list: {a: 1}", Kind.LITELLM)
