"""Whether the demo's figures, its JSON on standard input, are what they have to be. Exit code 0 or 1.

Knows what any run of the demo must show; what it is made of is tested elsewhere.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

LONGEST_S = 60.0
MALFORMED = 3


def complaints(demo: dict[str, Any], *, brokers: frozenset[str]) -> list[str]:
    """What is wrong with a demo's figures, one sentence each; none when all is well."""
    ended = ("completed", "failed", "dead_lettered", "lost")
    holds = {
        f"tasks == {' + '.join(ended)}": demo["tasks"] == sum(demo[name] for name in ended),
        "lost == 0": demo["lost"] == 0,
        "duplicates == 0": demo["duplicates"] == 0,
        f"dead_lettered == {MALFORMED}": demo["dead_lettered"] == MALFORMED,
        "0 < saving < 1": 0 < demo["saving"] < 1,
        f"duration_s < {LONGEST_S:.0f}": demo["duration_s"] < LONGEST_S,
        f"broker is {' or '.join(sorted(brokers))}": demo["broker"] in brokers,
    }
    return [f"does not hold: {condition}" for condition, held in holds.items() if not held]


def main() -> int:
    """Read, judge, say."""
    text = sys.stdin.read()
    sys.stdout.write(text)
    java = shutil.which("java") and shutil.which("mvn")
    brokers = frozenset({"kafka"}) if java else frozenset({"kafka", "tansu"})
    try:
        found = complaints(json.loads(text), brokers=brokers)
    except ValueError:
        found = ["the demo printed no JSON"]
    except (KeyError, TypeError) as error:
        found = [f"the demo's JSON is not as expected: {error!r}"]
    for complaint in found:
        sys.stderr.write(f"demo: {complaint}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
