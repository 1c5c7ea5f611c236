"""Loading, checking and describing sluice.yaml."""
