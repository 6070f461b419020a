"""The procedural radiograph and its truth."""
