"""How amounts, times, bytes and answers look to a person. Nothing here knows where they come from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from topics.events import TaskCompleted

PIPED_WIDTH = 250
"""Nobody wraps lines in a pipe, and names must stay whole."""

ANSWER_LINES = 3
_ROW_BYTES = 16
_CENT = 0.01


def usd(amount: float) -> str:
    """Dollars: cents where it is much, six digits where it is little."""
    if amount == 0:
        return "$0"
    return f"${amount:,.4f}" if amount >= _CENT else f"${amount:.6f}"


def tokens(count: int) -> str:
    """A number of tokens, in thousands where it is large."""
    return f"{count / 1000:.0f}k" if count >= 10_000 else f"{count:,}"  # noqa: PLR2004 - five digits are hard to read


def wide(console: Console) -> Console:
    """A console for a table: as wide as the terminal, or as wide as needed where there is none."""
    return console if console.is_terminal else Console(width=PIPED_WIDTH, highlight=False)


def seconds(duration_s: float) -> str:
    """A duration."""
    return f"{duration_s:.2f} s" if duration_s >= 1 else f"{duration_s * 1000:.0f} ms"


def instant(at: float) -> str:
    """Seconds since the epoch as a UTC time."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{at:g}"


def saving(cost_usd: float, baseline_usd: float) -> str:
    """What was saved against the baseline; nothing where there is no baseline, or where it is the cost."""
    if baseline_usd <= 0 or round(cost_usd / baseline_usd, 3) == 1.0:
        return ""
    share = 1 - cost_usd / baseline_usd
    return f"{share:.1%} less" if share >= 0 else f"{-share:.1%} more"


def safe(text: str) -> str:
    """Text that cannot steer a terminal: control characters as escapes, but for line ends and tabs."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text.replace("\r\n", "\n")
    )


def first_lines(text: str, width: int, count: int = ANSWER_LINES) -> list[str]:
    """The first lines that are not blank, each cut to the width, with a mark where there is more."""
    lines = [line for line in safe(text).expandtabs(4).splitlines() if line.strip()]
    shown = [line if len(line) <= width else line[: width - 1] + "…" for line in lines[:count]]
    if len(lines) > count:
        shown.append(f"… {len(lines) - count} more lines")
    return shown


def result_block(result: TaskCompleted, width: int) -> str:
    """A result for a person: task, model, cost, latency, the answer's first lines."""
    failed = result.answer is None
    facts = [result.model or "no model", usd(result.cost_usd), seconds(result.latency_s)]
    if len(result.calls) > 1:
        facts.append(f"{len(result.calls)} calls")
    head = f"{'failed' if failed else 'done'}  {safe(result.task_id)}  {safe(' · '.join(facts))}"
    body: list[str] = []
    if result.answer is not None:
        body = first_lines(result.answer.content or "", width - 2)
        body += [f"[{len(result.answer.tool_calls)} tool calls]"] if result.answer.tool_calls else []
    elif result.failure is not None:
        body = [f"{safe(result.failure.code)}: {safe(result.failure.message)}"]
    return "\n".join([head, *(f"  {line}" for line in body)])


def as_text(value: bytes) -> str | None:
    """Bytes as text where they are UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def hex_dump(value: bytes) -> str:
    """Offset, hexadecimal, printable ASCII: sixteen bytes a row."""
    rows = []
    for start in range(0, len(value), _ROW_BYTES):
        row = value[start : start + _ROW_BYTES]
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)  # noqa: PLR2004 - ASCII
        rows.append(f"{start:08x}  {row.hex(' '):<47}  {printable}")
    return "\n".join(rows)
