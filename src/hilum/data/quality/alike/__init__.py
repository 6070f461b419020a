"""Films that show the same exposure or the same bytes: copies, near duplicates, leaks between sets."""
