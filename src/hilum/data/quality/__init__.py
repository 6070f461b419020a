"""Problems of films: copies, near duplicates, leaks, odd films."""
