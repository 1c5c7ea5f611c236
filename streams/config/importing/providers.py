"""Providers by the names that LiteLLM and Portkey give them: how sluice.yaml calls and reaches them.

The addresses are those of the providers' OpenAI-compatible endpoints, as their own documentation gives them.
What speaks another format only is here with the reason why it is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Known:
    """A provider that speaks chat completions."""

    name: str
    """In sluice.yaml; where the price catalogue has the provider, as it is called there."""
    base_url: str | None = None
    """The public address; None where everybody has their own."""
    key: str | None = None
    """The variable in which its key is expected; None where there is mostly no key."""
    base_variable: str | None = None
    """The variable in which its address is expected, where there is no public one."""
    path: str = ""
    """What an address that is given lacks for chat completions to follow."""
    own: bool = False
    """A server of one's own: tokens cost nothing."""


_OPENAI = Known("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_API_BASE")
_AZURE = Known("azure", None, "AZURE_API_KEY", "AZURE_API_BASE", "/openai/v1")
_AZURE_AI = Known("azure-ai", None, "AZURE_AI_API_KEY", "AZURE_AI_API_BASE", "/openai/v1")
_ANTHROPIC = Known("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", None, "/v1")
_MISTRAL = Known("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY")
_GROQ = Known("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY")
_DEEPSEEK = Known("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY")
_TOGETHER = Known("together", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY")
_OPENROUTER = Known("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY")
_FIREWORKS = Known("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY")
_GOOGLE = Known("google", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY")
_PERPLEXITY = Known("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY")
_XAI = Known("x-ai", "https://api.x.ai/v1", "XAI_API_KEY")
_CEREBRAS = Known("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY")
_SAMBANOVA = Known("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY")
_NVIDIA = Known("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY")
_DEEPINFRA = Known("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY")
_COHERE = Known("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY")
_MOONSHOT = Known("moonshotai", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY")
_DASHSCOPE = Known("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY")
_NEBIUS = Known("nebius", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY")
_NOVITA = Known("novita", "https://api.novita.ai/v3/openai", "NOVITA_API_KEY")
_HYPERBOLIC = Known("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY")
_NSCALE = Known("nscale", "https://inference.api.nscale.com/v1", "NSCALE_API_KEY")
_AI21 = Known("ai21", "https://api.ai21.com/studio/v1", "AI21_API_KEY")
_HUGGINGFACE = Known("huggingface", "https://router.huggingface.co/v1", "HUGGINGFACE_API_KEY", None, "/v1")
_OLLAMA = Known("ollama", "http://localhost:11434/v1", None, None, "/v1", own=True)

LITELLM: Final[dict[str, Known]] = {
    "openai": _OPENAI,
    "custom_openai": _OPENAI,
    "openai_like": Known("openai-like", None, None, "OPENAI_LIKE_API_BASE"),
    "azure": _AZURE,
    "azure_ai": _AZURE_AI,
    "anthropic": _ANTHROPIC,
    "mistral": _MISTRAL,
    "codestral": Known("codestral", "https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    "groq": _GROQ,
    "deepseek": _DEEPSEEK,
    "together_ai": _TOGETHER,
    "openrouter": _OPENROUTER,
    "fireworks_ai": _FIREWORKS,
    "gemini": _GOOGLE,
    "perplexity": _PERPLEXITY,
    "xai": _XAI,
    "cerebras": _CEREBRAS,
    "sambanova": _SAMBANOVA,
    "nvidia_nim": _NVIDIA,
    "deepinfra": _DEEPINFRA,
    "cohere": _COHERE,
    "cohere_chat": _COHERE,
    "moonshot": _MOONSHOT,
    "dashscope": _DASHSCOPE,
    "nebius": _NEBIUS,
    "novita": _NOVITA,
    "hyperbolic": _HYPERBOLIC,
    "nscale": _NSCALE,
    "ai21": _AI21,
    "ai21_chat": _AI21,
    "huggingface": _HUGGINGFACE,
    "volcengine": Known("volcengine", "https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    "meta_llama": Known("meta", "https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "friendliai": Known("friendli", "https://api.friendli.ai/serverless/v1", "FRIENDLI_TOKEN"),
    "databricks": Known("databricks", None, "DATABRICKS_API_KEY", "DATABRICKS_API_BASE"),
    "litellm_proxy": Known("litellm", None, "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE"),
    "hosted_vllm": Known("vllm", None, None, "HOSTED_VLLM_API_BASE", own=True),
    "vllm": Known("vllm", None, None, "HOSTED_VLLM_API_BASE", own=True),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "lm_studio": Known("lm-studio", None, None, "LM_STUDIO_API_BASE", own=True),
    "llamafile": Known("llamafile", "http://127.0.0.1:8080/v1", None, own=True),
    "xinference": Known("xinference", "http://127.0.0.1:9997/v1", None, own=True),
}

PORTKEY: Final[dict[str, Known]] = {
    "openai": _OPENAI,
    "azure-openai": _AZURE,
    "azure-ai": _AZURE_AI,
    "anthropic": _ANTHROPIC,
    "mistral-ai": _MISTRAL,
    "groq": _GROQ,
    "deepseek": _DEEPSEEK,
    "together-ai": _TOGETHER,
    "openrouter": _OPENROUTER,
    "fireworks-ai": _FIREWORKS,
    "google": _GOOGLE,
    "perplexity-ai": _PERPLEXITY,
    "x-ai": _XAI,
    "cerebras": _CEREBRAS,
    "sambanova": _SAMBANOVA,
    "deepinfra": _DEEPINFRA,
    "cohere": _COHERE,
    "moonshot": _MOONSHOT,
    "dashscope": _DASHSCOPE,
    "nebius": _NEBIUS,
    "novita-ai": _NOVITA,
    "hyperbolic": _HYPERBOLIC,
    "nscale": _NSCALE,
    "ai21": _AI21,
    "huggingface": _HUGGINGFACE,
    "ollama": _OLLAMA,
}

UNSPOKEN: Final[dict[str, str]] = {
    "bedrock": "Amazon Bedrock speaks a format of its own (converse)",
    "bedrock_converse": "Amazon Bedrock speaks a format of its own (converse)",
    "sagemaker": "Amazon SageMaker wants requests that are signed",
    "sagemaker_chat": "Amazon SageMaker wants requests that are signed",
    "vertex_ai": "Vertex AI wants Google's short-lived tokens, not a key",
    "vertex_ai_beta": "Vertex AI wants Google's short-lived tokens, not a key",
    "watsonx": "watsonx speaks a format of its own",
    "oci": "Oracle's service speaks a format of its own",
    "snowflake": "Snowflake's service speaks a format of its own",
    "replicate": "Replicate speaks a format of its own",
    "predibase": "Predibase speaks a format of its own",
    "triton": "Triton speaks a format of its own",
    "cloudflare": "Workers AI speaks a format of its own",
    "palm": "PaLM speaks a format of its own",
    "anyscale": "Anyscale has closed its endpoints",
    "text-completion-openai": "these are completions, and Sluice speaks chat completions",
    "text-completion-codestral": "these are completions, and Sluice speaks chat completions",
    "azure_text": "these are completions, and Sluice speaks chat completions",
    "auto_router": "it chooses among other models, which is what Sluice does itself",
}
"""Why a provider's models are left out. Portkey's names, with hyphens for underscores, are found as well."""

_BARE = (
    (r"(?:gpt-|chatgpt-|o[1-9](?:$|-)|ft:gpt|ft:o[1-9])", "openai"),
    (r"claude", "anthropic"),
    (r"command-", "cohere"),
    (r"gemini", "vertex_ai"),
)
_NOT_CHAT = re.compile(r"(?:text-embedding|dall-e|whisper|tts-|gpt-image|omni-moderation)", re.IGNORECASE)


def by_model(model: str) -> str | None:
    """LiteLLM's name of the provider that a model without one belongs to; None where it cannot be told."""
    for pattern, provider in _BARE:
        if re.match(pattern, model, re.IGNORECASE):
            return provider
    return None


def is_no_chat(model: str) -> bool:
    """Whether the name is that of a model for embeddings, images or sound."""
    return _NOT_CHAT.match(model.rpartition("/")[2]) is not None


def unspoken(provider: str) -> str | None:
    """Why models of this provider are left out; None where that is not known."""
    return UNSPOKEN.get(provider) or UNSPOKEN.get(provider.replace("-", "_"))


def by_slug(slug: str) -> str | None:
    """Portkey's provider whose name is in the name that a user gave: `openai-prod` is OpenAI, surely."""
    words = set(re.split(r"[^a-z0-9]+", slug.lower()))
    names = {name: name for name in PORTKEY} | {
        "azure": "azure-openai",
        "mistral": "mistral-ai",
        "together": "together-ai",
        "fireworks": "fireworks-ai",
        "perplexity": "perplexity-ai",
        "gemini": "google",
        "xai": "x-ai",
        "bedrock": "bedrock",
        "vertex": "vertex-ai",
        "sagemaker": "sagemaker",
    }
    found = {provider for name, provider in names.items() if set(name.split("-")) <= words}
    if "azure-openai" in found:
        found.discard("openai")
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Address:
    """An address for sluice.yaml."""

    base_url: str
    stripped: bool = False
    """User, password or parameters were in it, and are not any more."""


def address_of(known: Known, given: str) -> Address | None:
    """An address of the source with what it lacks; None where it is none."""
    try:
        parts = urlsplit(given.strip())
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in {"http", "https"} or not host or any(c.isspace() for c in given.strip()):
        return None
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    stripped = host != parts.netloc or bool(parts.query or parts.fragment)
    return Address(urlunsplit((parts.scheme, host, completed(known, path), "", "")), stripped)


def completed(known: Known, path: str) -> str:
    """A path with what chat completions need before them."""
    if known.path == "/openai/v1":  # Azure: dated versions and deployments in the path are of the older kind
        return f"{re.split('/openai(?:/|$)', path)[0].removesuffix('/models')}{known.path}"
    if not known.path or path.endswith(known.path):
        return path
    return f"{path}{known.path}"
