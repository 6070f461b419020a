"""The reading room: a film, a model's prediction, its maps and a reader's mark, in a browser."""
