"""Noticing a worker that was given partitions and never began with them.

Should Faust not finish the recovery that follows a rebalance, the app looks alive and folds nothing. It is then
built anew; its tables recover from the changelog.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

FIRST_PATIENCE_S = 20.0
MOST_PATIENCE_S = 640.0


@dataclass(slots=True)
class RecoveryWatchdog:
    """Judges how long assigned partitions may wait to be owned. Patience doubles, for a recovery that is only long."""

    patience_s: float = FIRST_PATIENCE_S
    _since: float | None = None

    def stuck(self, assigned: AbstractSet[int], owned: AbstractSet[int], now: float) -> bool:
        """Whether the app is to be built anew; called again and again, with seconds that do not go back."""
        if assigned == owned:
            self._since = None
            if owned:
                self.patience_s = FIRST_PATIENCE_S
            return False
        if self._since is None:
            self._since = now
        if now - self._since < self.patience_s:
            return False
        self._since = None
        self.patience_s = min(self.patience_s * 2, MOST_PATIENCE_S)
        return True
