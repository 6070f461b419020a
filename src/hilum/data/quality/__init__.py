"""What is wrong with films: copies, near duplicates, leaks, odd films."""
