"""hilum: chest X-ray classifiers that show where they look."""
