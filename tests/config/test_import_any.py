"""What holds for any source: nothing but the import's own error, and every key told once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config.importing import ImportFailedError, Kind, import_data, import_file
from streams.config.importing.litellm_keys import GENERAL, MODULE, ROUTER
from streams.config.importing.litellm_model import PARAMETERS
from streams.config.importing.source import UnloadableResultError, kind_of, read_text
from streams.config.problems import ConfigError
from tests.config.imports import keys

if TYPE_CHECKING:
    from pathlib import Path

_WORDS = [
    *("model_list", "router_settings", "litellm_settings", "general_settings", "credential_list"),
    *("model_name", "litellm_params", "model_info", "model", "api_base", "api_key", "timeout", "id", "mode"),
    *("fallbacks", "default_fallbacks", "model_group_alias", "num_retries", "retry_after", "max_fallbacks"),
    *("input_cost_per_token", "output_cost_per_token", "max_input_tokens", "max_output_tokens", "max_tokens"),
    *(
        "supports_vision",
        "supports_x",
        "base_model",
        "region_name",
        "max_parallel_requests",
        "completion_model",
    ),
    *(
        "strategy",
        "targets",
        "conditions",
        "query",
        "then",
        "default",
        "provider",
        "virtual_key",
        "virtualKey",
    ),
    *("override_params", "default_params", "retry", "attempts", "request_timeout", "custom_host", "name"),
    *("resource_name", "deployment_id", "metadata.x", "params.model", "$and", "$or", "$eq", "$in", "$ne"),
    *("litellm_credential_name", "credential_name", "credential_values", "custom_llm_provider", "weight"),
    *(*ROUTER, *MODULE, *GENERAL, *PARAMETERS),
]
_VALUES = [
    *(
        "gpt-4o",
        "openai/gpt-4o",
        "azure/x",
        "bedrock/x",
        "ollama/x",
        "openai/*",
        "a/b",
        "@openai-1/gpt-4o",
        "@x",
    ),
    *("os.environ/KEY", "os.environ/", "os.environ/a-b", "${KEY}", "${", "none", "", " ", "\x00", "\u2028"),
    *(
        "http://host/v1",
        "https://u:p@host/v1?k=v",
        "http://[",
        "no address",
        "openai",
        "azure-openai",
        "ollama",
    ),
    *("conditional", "fallback", "loadbalance", "single", "chat", "embedding", "1e5", "nan", "-1", "null"),
]
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**9)
    | st.decimals(allow_nan=True)
    | st.floats()
    | st.sampled_from(_VALUES)
    | st.text(max_size=5)
)
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=4)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=25,
)
_MAPPINGS = st.dictionaries(_KEYS, _ANYTHING, min_size=1, max_size=5)

_MODELS = st.fixed_dictionaries(
    {
        "litellm_params": st.fixed_dictionaries(
            {"model": st.sampled_from(_VALUES)},
            optional={
                **dict.fromkeys(
                    ("api_base", "api_key", "timeout", "region_name", "custom_llm_provider"), _ANYTHING
                ),
                **dict.fromkeys(("input_cost_per_token", "litellm_credential_name"), _ANYTHING),
            },
        )
    },
    optional={"model_name": _LEAVES, "model_info": _ANYTHING},
)
_LITELLM = st.fixed_dictionaries(
    {"model_list": st.lists(_MODELS, max_size=4)},
    optional={"router_settings": _MAPPINGS, "litellm_settings": _MAPPINGS, "credential_list": _ANYTHING},
)
_TARGETS = st.recursive(
    st.fixed_dictionaries(
        {"override_params": st.fixed_dictionaries({"model": st.sampled_from(_VALUES)})},
        optional={
            **dict.fromkeys(
                ("provider", "virtual_key", "api_key", "name", "custom_host"), st.sampled_from(_VALUES)
            ),
            **dict.fromkeys(("retry", "request_timeout", "resource_name", "weight"), _ANYTHING),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {
            "targets": st.lists(inner, max_size=3),
            "strategy": st.fixed_dictionaries(
                {"mode": st.sampled_from(["conditional", "fallback", "loadbalance", "single", "odd"])},
                optional={
                    "conditions": st.lists(
                        st.fixed_dictionaries({"query": _MAPPINGS, "then": st.sampled_from(_VALUES)}),
                        max_size=3,
                    ),
                    "default": st.sampled_from(_VALUES),
                },
            ),
        },
        optional={"retry": _ANYTHING, "name": st.sampled_from(_VALUES), "override_params": _ANYTHING},
    ),
    max_leaves=5,
)


def holds_for(data: dict[str, Any], kind: Kind) -> None:
    """It loads (the import makes sure), and every key is told once, in the source's order."""
    try:
        found = import_data(data, kind)
    except UnloadableResultError:
        raise
    except ImportFailedError:
        return
    assert [entry.key for entry in found.report.entries] == keys(data)
    assert all(entry.what for entry in found.report.entries)


@hypothesis.settings(deadline=None)
@given(_MAPPINGS, st.sampled_from(Kind))
def test_any_mapping_is_imported_or_refused(data: dict[str, Any], kind: Kind) -> None:
    holds_for(data, kind)


@hypothesis.settings(deadline=None)
@given(_LITELLM)
def test_anything_of_litellms_shape_is_imported_or_refused(data: dict[str, Any]) -> None:
    holds_for(data, Kind.LITELLM)


@hypothesis.settings(deadline=None)
@given(_TARGETS)
def test_anything_of_portkeys_shape_is_imported_or_refused(data: dict[str, Any]) -> None:
    holds_for(data, Kind.PORTKEY)


@hypothesis.settings(deadline=None)
@given(st.text() | st.text("{}[]:,&*<-!'\"#|%@ \n\tab0.$"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        data = read_text(text, "source")
    except (ImportFailedError, ConfigError):
        return
    for kind in Kind:
        holds_for(data, kind)


@hypothesis.settings(deadline=None)
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12), st.booleans())
def test_no_key_of_any_shape_is_shown(secret: str, portkey: bool) -> None:  # noqa: FBT001 - Hypothesis gives it
    params = {"model": "openai/gpt-4o", "api_key": secret, "headers": {"Authorization": secret}}
    litellm = {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "general_settings": {"master_key": secret},
    }
    target = {"provider": "openai", "api_key": secret, "override_params": {"model": "gpt-4o"}}
    found = import_data(target, Kind.PORTKEY) if portkey else import_data(litellm, Kind.LITELLM)
    assert secret not in found.text
    assert secret not in repr(found.report)


# --- Files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: [1", "a quote or bracket is opened and never closed"),
        (b"\xff\xfe", "the text is not UTF-8"),
        (b"", "there are no keys and values in it"),
        (b"- 1\n- 2\n", "there are no keys and values in it"),
        (b"some: thing\n", "this is neither LiteLLM's configuration"),
        (b"models: []\nproviders: {}\n", "this is a configuration of Sluice already"),
        (b"model_list: []\ntargets: []\n", "this looks like both LiteLLM's and Portkey's configuration"),
        (b"? [a, b]\n: 1\n", "a key is a list or a section"),
        (b"a: &a [x]\nb: &b [*a, *a]\n" + b"c: &c [*b]\n", "this is neither"),
        (b'{"targets": "\\ud800"}', "a text holds half a character"),
        (b'{"targets": ' + b"[" * 200 + b"]" * 200 + b"}", "nests too deeply"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_with_a_sentence(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)
    with pytest.raises(ImportFailedError, match=sentence):
        import_file(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailedError, match="there is no such file; check the path"):
        import_file(tmp_path / "config.yaml")


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(ImportFailedError, match="unfold into far too much"):
        read_text("\n".join(lines), "source")
    with pytest.raises(ImportFailedError, match="unfold into far too much"):
        read_text("a: &a {b: *a}", "source")


def test_numbers_are_exact_and_words_are_words() -> None:
    text = "a: 0.1\nb: 1e-07\nc: 12:30\nd: 2024-01-01\ne: .inf\nf: 0x1F\n1: one\nyes: no\n"
    assert read_text(text, "source") == {
        "a": Decimal("0.1"),
        "b": "1e-07",
        "c": "12:30",
        "d": "2024-01-01",
        "e": ".inf",
        "f": 31,
        "1": "one",
        "yes": False,
    }


def test_whose_configuration_it_is_is_told_by_its_keys() -> None:
    assert kind_of({"model_list": []}) is Kind.LITELLM
    assert kind_of({"virtual_key": "x"}) is Kind.PORTKEY
