"""The contract on the bus: topics, events, headers and the codec. No behaviour, and nothing of `streams`."""
