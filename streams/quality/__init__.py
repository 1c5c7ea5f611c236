"""Checks of answers. Pure; cheapest first."""

from streams.quality.checks import check_answer, passed

__all__ = ["check_answer", "passed"]
