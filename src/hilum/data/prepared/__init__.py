"""Prepared films: their geometry and masks, and how a split of them is read for training."""
