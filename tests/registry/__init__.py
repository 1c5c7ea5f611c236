"""Tests of `streams.registry`."""
