"""Measures of the quality of maps."""
