"""From fitted weights to a finished model: calibration, prior, decision, and the files beside it."""
