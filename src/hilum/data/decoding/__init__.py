"""From the bytes of a film to grey levels, under limits."""
