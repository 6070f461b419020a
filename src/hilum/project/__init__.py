"""What concerns the whole project: its faults, overrides of its settings, its champion, and what its store lacks."""
