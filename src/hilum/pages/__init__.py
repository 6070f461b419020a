"""Every HTML page and its sections."""
