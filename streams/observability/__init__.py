"""Logs, and the small HTTP server with /healthz, /readyz and /metrics that every long-running role has."""
