"""Sluice: a model router that lives on Kafka. One package per concept; docs/design.md has the map."""
