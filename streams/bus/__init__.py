"""The one place that builds Kafka clients: connection options, the durable producer, reading without a group."""
