"""Tests: folders mirror the packages; tiers are markers (none: pure; contract; bus; system)."""
