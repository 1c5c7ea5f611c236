"""sluice.yaml → frozen settings, with errors that name file, line, key and cure. Knows no Kafka and no HTTP."""
