"""Fitting the phases of an arm, with cached activations and a search over its spaces."""
