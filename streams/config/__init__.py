"""sluice.yaml → frozen settings; errors name file, line, key and cure. Knows no Kafka and no HTTP."""
