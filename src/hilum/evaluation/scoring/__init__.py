"""Metrics, predictions and the score of an epoch: what training needs of evaluation."""
