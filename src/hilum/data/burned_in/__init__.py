"""Letters and text in the pixels of a film: found, covered, and looked for again."""
