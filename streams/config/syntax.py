"""Bytes → YAML tree, with what can be wrong about that said plainly.

PyYAML's own messages quote the file, and with it perhaps a secret: they are never passed on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from streams.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

_QUOTE = 'put text that contains special characters in quotes: "…"'

_SENTENCES: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "a tab where only spaces may indent", "indent with spaces"),
    (r"found character", "a value begins with a character that YAML reserves", _QUOTE),
    (
        r"mapping values are not allowed",
        "a colon that YAML does not expect",
        "check the indentation of this line and the one above, or quote a value that contains a colon",
    ),
    (r"could not find expected ':'", "a line without a colon", "write `key: value`"),
    (
        r"found undefined alias",
        "a value begins with `*`, which refers to an anchor, and there is none of that name",
        "define the anchor above, or put text in quotes",
    ),
    (r"found duplicate anchor", "two anchors have the same name", "rename one"),
    (r"end of stream|stream end", "a quote or bracket is opened and never closed", "close it"),
    (r"escape", "a backslash in double quotes that begins no known escape", "use single quotes"),
    (r"expected ',' or|expected the node content", "a comma or a bracket is missing", _QUOTE),
    (r"expected <block end>", "the indentation fits none of the lines above", "align it with its neighbours"),
    (r"single document", "a second document begins", "remove the line `---`"),
    (r"special characters", "a control character", "remove it"),
    (r"tag", "a tag that is not known", "put text that begins with `!` in quotes"),
)


def load_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: there is none, it cannot be read, or it is not UTF-8.
    """
    try:
        content, error = path.read_bytes(), None
    except OSError as caught:
        content, error = b"", caught
    if isinstance(error, FileNotFoundError):
        raise ConfigError([_nowhere(str(path), "there is no such file", "check the path")])
    if error is not None:
        raise ConfigError([_nowhere(str(path), f"cannot be read ({error.strerror})", "check the path")])
    return decode(content, str(path))


def decode(content: bytes, file: str) -> str:
    """Bytes as text.

    Raises:
        ConfigError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
    raise ConfigError([Problem(file, line, column, "", "the text is not UTF-8", "save the file as UTF-8")])


def compose(text: str, file: str) -> yaml.Node | None:
    """The tree of a text; None where it is empty.

    Raises:
        ConfigError: it is not YAML.
    """
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        problem = _problem(error, text, file)
    except RecursionError:
        problem = _nowhere(file, "sections or lists nest too deeply", "remove levels")
    except (ValueError, OverflowError):  # \U escapes beyond Unicode
        problem = _nowhere(file, "an escape in double quotes is no character", "use single quotes")
    raise ConfigError([problem])


def _nowhere(file: str, message: str, cure: str) -> Problem:
    return Problem(file, 0, 0, "", message, cure)


def _problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    line, column = _place(error, text)
    said = f"{getattr(error, 'context', '')} {getattr(error, 'problem', '')} {getattr(error, 'reason', '')}"
    lines = text.splitlines()
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    if "but got '{'" in said and "${" in source:
        message = "a reference to an environment variable inside {…} or […] without quotes"
        return Problem(file, line, column, "", message, 'put it in quotes: "${NAME}"')
    for pattern, message, cure in _SENTENCES:
        if re.search(pattern, said):
            return Problem(file, line, column, "", message, cure)
    return Problem(file, line, column, "", "this is not YAML", _QUOTE)


def _place(error: yaml.YAMLError, text: str) -> tuple[int, int]:
    mark = getattr(error, "problem_mark", None)
    if mark is not None and re.search(r"end of stream|stream end", str(getattr(error, "problem", ""))):
        mark = getattr(error, "context_mark", None) or mark  # where it was opened
    if mark is not None:
        return mark.line + 1, mark.column + 1
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
    return 0, 0
