"""A broker on this machine, simulated providers, realistic tasks and the demo that puts them together."""
