"""Mistakes in sluice.yaml are all named at once, each with file, line, key and cure; and nothing else is."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streams.config.load import load, load_settings, parse
from streams.config.problems import ConfigError
from streams.config.secrets import SecretRef
from streams.config.settings import Settings
from tests.config.complaints import PRICED, complaints, settings

SECRET = "sk-very-secret-1234567890"


def test_an_empty_file_is_all_defaults() -> None:
    assert settings("") == settings("# only a comment\n") == settings("kafka:\nmodels:\n") == Settings()


def test_no_file_is_all_defaults_and_a_file_in_the_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, environ={}) == Settings()
    Path("sluice.yaml").write_text("kafka: {prefix: mine}", encoding="utf-8")
    assert load_settings(None, environ={}).kafka.prefix == "mine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "kafka:\n  prefx: a\n",
            (
                'sluice.yaml:2: kafka.prefx: unknown key "prefx"; did you mean "prefix"? '
                "known: brokers, prefix, partitions, replication, idempotence, security"
            ),
        ),
        (
            "kafka:\n  partitions: lots\n",
            (
                'sluice.yaml:2: kafka.partitions: "lots" is not a whole number; give a whole number '
                "from 1 to 1024"
            ),
        ),
        (
            "kafka:\n  partitions: 4.5\n",
            "sluice.yaml:2: kafka.partitions: 4.5 is not a whole number; give a whole number from 1 to 1024",
        ),
        (
            "kafka:\n  partitions: yes\n",
            (
                'sluice.yaml:2: kafka.partitions: "yes" is not a whole number; give a whole number '
                "from 1 to 1024"
            ),
        ),
        (
            "kafka:\n  partitions: 0\n",
            "sluice.yaml:2: kafka.partitions: 0 is too small; give a whole number from 1 to 1024",
        ),
        (
            "kafka:\n  prefix: a b\n",
            (
                'sluice.yaml:2: kafka.prefix: "a b" has characters that are not allowed here; '
                "it must match ^[a-zA-Z0-9_.-]{1,100}$"
            ),
        ),
        (
            "retry:\n  base_s: .inf\n",
            "sluice.yaml:2: retry.base_s: .inf is not a finite number; give a number above 0, at most 60",
        ),
        (
            "router:\n  decide_only: maybe\n",
            'sluice.yaml:2: router.decide_only: "maybe" is not true or false; give true or false',
        ),
        (
            "router:\n  group: 12\n",
            'sluice.yaml:2: router.group: YAML takes 12 for a number, not for text; write it in quotes: "12"',
        ),
        (
            "providers:\n  openai:\n    timeout_s: 1\n",
            (
                "sluice.yaml:2: providers.openai.base_url: is missing; add it: text "
                "(address up to and without `/chat/completions`, like `https://api.openai.com/v1`)"
            ),
        ),
        (
            "providers:\n  openai:\n    base_url:\n",
            (
                "sluice.yaml:3: providers.openai.base_url: has no value; give text "
                "(address up to and without `/chat/completions`, like `https://api.openai.com/v1`)"
            ),
        ),
        (
            "providers:\n  openai:\n    base_url: api.openai.com\n",
            "sluice.yaml:3: providers.openai.base_url: not an address; begin it with http:// or https://",
        ),
        (
            "models: gpt-4o\n",
            'sluice.yaml:1: models: "gpt-4o" is not a list; give a list, each a section',
        ),
        (
            "models:\n  - gpt-4o\n",
            (
                "sluice.yaml:2: models[0]: this is not a section; give a section; known keys: name, "
                "provider, model, "
                "tier, prices, context_window, max_output_tokens, capabilities, region, quality, "
                "ttft_s, tokens_per_s, "
                "max_concurrency"
            ),
        ),
        (
            "policy:\n  default: {tiers: [gold]}\n",
            (
                'sluice.yaml:2: policy.default.tiers[0]: "gold" is not one of the choices; '
                "known: efficient, standard, premium"
            ),
        ),
        (
            "policy:\n  default: {tiers: premum}\n",
            (
                'sluice.yaml:2: policy.default.tiers: "premum" is not one of the choices; did you '
                'mean "premium"? '
                "known: efficient, standard, premium"
            ),
        ),
        (
            "policy:\n  default: {tiers: []}\n",
            "sluice.yaml:2: policy.default.tiers: the list is empty; give at least one, or leave the key out",
        ),
        (
            "policy:\n  default: {}\n",
            "sluice.yaml:2: policy.default: which models is not clear; give either `models` or `tiers`",
        ),
        (
            "kafka:\n  security: {protocol: SASL_SSL, username: u}\n",
            (
                "sluice.yaml:2: kafka.security: SASL_SSL needs mechanism, username and password; "
                "add mechanism and password"
            ),
        ),
        (
            "- a\n- b\n",
            (
                "sluice.yaml:1: the file does not consist of keys and values; "
                "begin with one of kafka, providers, models, policy, retry, router, tables"
            ),
        ),
        (
            "kafka:\n  prefix: a\n  prefix: b\n",
            "sluice.yaml:3: kafka.prefix: the key stands twice, first on line 2; keep one",
        ),
        (
            "router:\n  group: !env NAME\n",
            (
                "sluice.yaml:2: router.group: a value begins with `!`, which YAML takes for a tag; "
                "put text in quotes"
            ),
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_its_cure(text: str, expected: str) -> None:
    assert complaints(text) == [expected.replace("sluice.yaml:1: the", "sluice.yaml:1:1: the")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka:\n\tprefix: a\n", "2:1: a tab where only spaces may indent; indent with spaces"),
        (
            "kafka:\n  prefix: @a\n",
            (
                "2:11: a value begins with a character that YAML reserves; "
                'put text that contains special characters in quotes: "…"'
            ),
        ),
        (
            "kafka:\n  prefix: a\n bad: 1\n",
            "3:2: the indentation fits none of the lines above; align it with its neighbours",
        ),
        ("kafka: 'a\n\n\n", "1:8: a quote or bracket is opened and never closed; close it"),
        (
            "router: {http_port: ${PORT}}\n",
            (
                "1:22: a reference to an environment variable inside {…} or […] without quotes; "
                'put it in quotes: "${NAME}"'
            ),
        ),
        ("kafka:\n---\nkafka:\n", "2:1: a second document begins; remove the line `---`"),
        ("kafka:\n  prefix: a\x07b\n", "2:12: a control character; remove it"),
    ],
)
def test_what_is_not_yaml_is_named_with_line_and_column(text: str, expected: str) -> None:
    assert complaints(text) == [f"sluice.yaml:{expected}"]


@pytest.mark.parametrize("language", ["no", "[no]", "[de, no]"])
def test_a_bare_no_is_not_norwegian(language: str) -> None:
    (found,) = complaints(
        f"""\
        policy:
          rules:
            - name: nordic
              when:
                language: {language}
              use: {{tiers: standard}}
        """
    )
    assert found.startswith("sluice.yaml:5: policy.rules[0].when.language")
    assert found.endswith('YAML takes no for false, not for text; write it in quotes: "no"')


def test_all_mistakes_of_every_kind_are_named_at_once_in_the_order_of_the_file() -> None:
    found = complaints(
        f"""\
        kafka:
          partitions: many
        providers:
          openai: {{base_url: "https://api.openai.com/v1", api_key: {SECRET}}}
          local: {{base_url: "http://localhost:8000/v1", tiemout_s: 3}}
        models:
          - name: small
            provider: opnai
            tier: tiny
            {PRICED}
          - name: small
            provider: local
            {PRICED}
          - provider: local
        policy:
          rules:
            - name: one
              when: {{type: sql, lang: de}}
              use: {{models: smal}}
        router:
          http_port: ${{PORT}}
        """
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["sluice.yaml:2", "kafka.partitions"],
        ["sluice.yaml:4", "providers.openai.api_key"],
        ["sluice.yaml:5", "providers.local.tiemout_s"],
        ["sluice.yaml:8", "models[0].provider"],
        ["sluice.yaml:9", "models[0].tier"],
        ["sluice.yaml:11", "models[1].name"],
        ["sluice.yaml:14", "models[2].name"],
        ["sluice.yaml:18", "policy.rules[0].when.lang"],
        ["sluice.yaml:19", "policy.rules[0].use.models"],
        ["sluice.yaml:21", "router.http_port"],
    ]


@pytest.mark.parametrize(
    "written",
    [
        f"api_key: {SECRET}",
        f"api_key: '{SECRET}'",
        f"api_key: [{SECRET}]",
        f"api_key: {{value: {SECRET}}}",
        f"api_key: {{{SECRET}: 1}}",
        f"api_key: *{SECRET}",
        f"api_key: !{SECRET}",
        f"api_key: '${{NAME:-{SECRET}}}'",
        f"api_key: 'x${{NAME}}{SECRET}'",
        f"api_key: @{SECRET}",
        f"api_key: {SECRET}: {SECRET}",
        f'api_key: "{SECRET}',
        f"apikey: {SECRET}",
        f"timeout_s: ${{TIMEOUT}}{SECRET}\n    api_key: {SECRET}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(written: str) -> None:
    text = f"providers:\n  openai:\n    base_url: http://x/v1\n    {written}\n"
    with pytest.raises(ConfigError) as caught:
        parse(text, "sluice.yaml", environ={"TIMEOUT": SECRET})
    error: BaseException | None = caught.value
    assert SECRET not in repr(caught.value.problems).replace("${TIMEOUT}" + SECRET, "")
    while error is not None:
        assert SECRET not in str(error).replace("${TIMEOUT}" + SECRET, "")
        error = error.__cause__ or error.__context__


def test_a_value_from_the_environment_is_never_repeated() -> None:
    (found,) = complaints("router:\n  http_port: ${PORT}\n", {"PORT": SECRET})
    assert found == (
        'sluice.yaml:2: router.http_port: the value of "${PORT}" is not a whole number; '
        "give a whole number from 0 to 65535"
    )


def test_a_secret_stays_a_reference() -> None:
    read = settings("providers: {openai: {base_url: 'http://x', api_key: '${KEY}'}}", {"KEY": SECRET})
    assert read.providers["openai"].api_key == SecretRef("KEY")
    assert SECRET not in repr(read)


def test_a_secret_that_is_not_in_the_environment_is_a_warning() -> None:
    text = "providers:\n  openai:\n    base_url: http://x\n    api_key: ${KEY}\n"
    assert complaints(text, {"KEY": "x"}) == []
    assert complaints(text) == [
        (
            "sluice.yaml:4: warning: providers.openai.api_key: environment variable KEY is not set; "
            "export it before starting"
        )
    ]


def test_values_are_filled_in_from_the_environment() -> None:
    read = settings(
        """\
        kafka:
          brokers: ${HOST}:${PORT:-9092}
          partitions: ${PARTITIONS}
          prefix: '${EMPTY:-fallback}'
        router:
          decide_only: ${ONLY}
          group: a$${b}$c
          instance: ${EMPTY}
        retry: {base_s: "${BASE:-0.5}"}
        """,
        {"HOST": "kafka", "PARTITIONS": "12", "EMPTY": "", "ONLY": "true"},
    )
    assert read.kafka.brokers == "kafka:9092"
    assert read.kafka.partitions == 12
    assert read.kafka.prefix == "fallback"
    assert read.router.decide_only is True
    assert read.router.group == "a${b}$c"
    assert read.router.instance is None
    assert read.retry.base_s == 0.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${PORT}", "environment variable PORT is not set; export it, or give a default: ${PORT:-…}"),
        (
            "${PORT",
            (
                "a reference to an environment variable begins here and is not complete; "
                "write ${NAME} or ${NAME:-default}, or $${ for the characters themselves"
            ),
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_named_once(value: str, expected: str) -> None:
    assert complaints(f"router:\n  http_port: {value}\n") == [f"sluice.yaml:2: router.http_port: {expected}"]


def test_anchors_aliases_and_merge_keys_work() -> None:
    read = settings(
        f"""\
        x-shared: &shared {{provider: local, context_window: 9000, {PRICED}}}
        providers: {{local: {{base_url: "http://x"}}}}
        models:
          - {{<<: *shared, name: a}}
          - {{name: b, context_window: 8000, <<: [*shared]}}
        """
    )
    assert [(m.name, m.provider, m.context_window) for m in read.models] == [
        ("a", "local", 9000),
        ("b", "local", 8000),
    ]


def test_a_mistake_in_an_anchor_is_named_where_it_stands() -> None:
    assert complaints(
        f"""\
        x-shared: &shared
          context_windw: 9000
        providers: {{local: {{base_url: "http://x"}}}}
        models:
          - {{<<: *shared, name: a, provider: local, {PRICED}}}
        """
    )[0].startswith('sluice.yaml:2: models[0].context_windw: unknown key "context_windw"; did you mean')


@pytest.mark.parametrize(
    "text",
    [
        "policy: {rules: [{name: a, use: {tiers: standard}, when: &a {any: [*a]}}]}",
        "x-0: &x0 {type: a}\n"
        + "".join(f"x-{n}: &x{n} {{any: [{', '.join([f'*x{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
        + "policy: {rules: [{name: a, use: {tiers: standard}, when: *x11}]}",
        "x-0: &x0 {type: a}\n"
        + "".join(f"x-{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
        + "policy: {rules: [{name: a, use: {tiers: standard}, when: *x11}]}",
        "policy: &p {<<: *p}",
    ],
    ids=["recursive", "bomb of lists", "bomb of merges", "merge of itself"],
)
def test_aliases_that_unfold_without_end_are_refused(text: str) -> None:
    (found,) = complaints(text)
    assert "anchors and aliases unfold into far too much" in found


def test_nesting_without_end_is_refused() -> None:
    assert complaints("[" * 5000) == ["sluice.yaml: sections or lists nest too deeply; remove levels"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing, latin = tmp_path / "nowhere.yaml", tmp_path / "latin.yaml"
    latin.write_bytes("# x\nkafka: {prefix: é}\n".encode("latin-1"))
    for path, expected in [
        (missing, f"{missing}: there is no such file; check the path"),
        (tmp_path, f"{tmp_path}: cannot be read (Is a directory); check the path"),
        (latin, f"{latin}:2:17: the text is not UTF-8; save the file as UTF-8"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load_settings(path, environ={})
        assert str(caught.value) == expected


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "sluice.yaml"
    file.write_bytes("kafka: {prefix: mine}".encode("utf-8-sig"))
    assert load(file, environ={}).settings.kafka.prefix == "mine"


def _only_config_errors(text: str) -> None:
    try:
        parse(text, "sluice.yaml", environ={"A": "1"})
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ()
    for said in map(str, problems):
        assert len(said.splitlines()) == 1
        assert "; " in said
        assert "Input should" not in said


@hypothesis.settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_configuration_error(text: str) -> None:
    _only_config_errors(text)


@hypothesis.settings(deadline=None)
@given(st.text(alphabet="abk:- \n\t{}[]&*!<>|'\"#%@`,?${}0.", max_size=120))
def test_any_text_of_yaml_characters_is_settings_or_a_configuration_error(text: str) -> None:
    _only_config_errors(text)


_KEYS = ["kafka", "models", "policy", "providers", "rules", "when", "use", "any", "words", "min", "name"]
_KEYS += ["tiers", "security", "api_key", "prices", "x"]
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["${A}", "${B}"]),
)
_DATA = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5),
    max_leaves=25,
)


@hypothesis.settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _DATA, max_size=6))
def test_any_data_is_settings_or_a_configuration_error(data: dict[str, object]) -> None:
    _only_config_errors(yaml.safe_dump(data))
