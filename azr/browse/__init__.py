"""Looking at a run without touching it: find it, query its buffer, read its metrics."""
