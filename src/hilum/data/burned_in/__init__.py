"""Letters and marks in the pixels of a film: found, and taken out."""
