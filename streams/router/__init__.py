"""The loop: reads tasks, decides, calls, checks, publishes. Loses nothing; see docs/design.md, "Correctness"."""
