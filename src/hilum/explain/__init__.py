"""Methods of explanation and measures of what they are worth."""
