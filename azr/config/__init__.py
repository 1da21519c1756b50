"""What a run is told: the typed fields, the words for them, how a file becomes them. May know nothing else of azr."""
