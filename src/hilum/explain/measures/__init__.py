"""What a map is worth."""
