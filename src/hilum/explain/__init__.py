"""Explanation methods and measures of their quality."""
