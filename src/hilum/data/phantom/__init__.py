"""The procedural radiograph and its ground truth."""
