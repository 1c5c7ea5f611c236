"""Sluice itself: everything that runs. What is on the wire is in `topics`."""
