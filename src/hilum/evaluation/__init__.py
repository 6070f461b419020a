"""Metrics, intervals, comparison and their figures. No TensorFlow here."""
