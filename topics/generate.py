"""Writes what is generated from the catalog: `python -m topics.generate`; with `--check` only compares.

JSON Schemas and the AsyncAPI document in `topics/schemas/`, and the table in `docs/topics.md`. Exit code 0
done or fresh, 1 stale, 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from topics.asyncapi import document
from topics.catalog import DAY_S, HOUR_S, TOPICS, Spread, Topic
from topics.json_schema import event_schema, event_types, file_name

BEGIN = "<!-- generated: python -m topics.generate -->"
END = "<!-- end -->"


class MarkersMissingError(Exception):
    """The file has no place for the generated text."""


def expected(root: Path) -> dict[Path, str]:
    """What the generated files under `root` (the repository) should contain.

    Raises:
        MarkersMissingError: docs/topics.md has lost its markers.
        OSError: docs/topics.md cannot be read.
    """
    schemas = root / "topics" / "schemas"
    files = {schemas / file_name(event): _json(event_schema(event)) for event in event_types()}
    files[schemas / "asyncapi.json"] = _json(document())
    page = root / "docs" / "topics.md"
    files[page] = _with_table(page.read_text(encoding="utf-8"))
    return files


def stale(root: Path) -> list[Path]:
    """Files that are missing, differ, or should not be there.

    Raises:
        MarkersMissingError: docs/topics.md has lost its markers.
        OSError: docs/topics.md cannot be read.
    """
    files = expected(root)
    differing = [
        path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    return sorted(differing + _leftovers(root, files))


def write(root: Path) -> list[Path]:
    """Bring the files up to date; returns those that changed.

    Raises:
        MarkersMissingError: docs/topics.md has lost its markers.
        OSError: a file cannot be read or written.
    """
    files = expected(root)
    changed = stale(root)
    for path in changed:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def table() -> str:
    """The catalog as a Markdown table."""
    head = ["topic", "key", "partitions", "kept", "event", "written by", "read by", "content"]
    rows = [head, ["---"] * len(head), *(_row(topic) for topic in TOPICS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(topic: Topic) -> list[str]:
    schemas = [
        f"[{event.__name__}](../topics/schemas/{file_name(event)})" if topic.is_json else "any bytes"
        for event in topic.event_types
    ]
    return [
        f"`{topic.name}`" + (" (internal)" if topic.internal else ""),
        topic.key if "<" not in topic.key else f"`{_cell(topic.key)}`",
        "`kafka.partitions`" if topic.spread is Spread.PER_TASK else "1",
        kept(topic.retention_s),
        ", ".join(schemas),
        ", ".join(topic.writers),
        ", ".join(topic.readers),
        _cell(topic.content),
    ]


def kept(retention_s: int | None) -> str:
    """How long records stay, for a person."""
    if retention_s is None:
        return "last of each key"
    if retention_s % DAY_S == 0:
        return f"{retention_s // DAY_S} d"
    return f"{retention_s // HOUR_S} h"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _with_table(page: str) -> str:
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"docs/topics.md needs the lines {BEGIN} and {END}; the table goes between them"
        raise MarkersMissingError(message)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _leftovers(root: Path, files: dict[Path, str]) -> list[Path]:
    return [path for path in (root / "topics" / "schemas").glob("*.json") if path not in files]


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m topics.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    only_check: bool = parser.parse_args(arguments).check
    root = Path(__file__).resolve().parent.parent
    try:
        changed = stale(root) if only_check else write(root)
    except (OSError, MarkersMissingError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in changed:
        sys.stderr.write(f"{'stale' if only_check else 'wrote'}: {path.relative_to(root)}\n")
    if only_check and changed:
        sys.stderr.write("run `python -m topics.generate` and commit what it writes\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
