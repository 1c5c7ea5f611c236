"""The reading side of the state: the merged view, this router's own knowledge on top, the breakers."""
