"""The writing side of the state: calls folded into tables, stored in a changelog, published as snapshots."""
