"""What a reader adds to a film: marks, blinded answers, and how both compare with models and truth."""
