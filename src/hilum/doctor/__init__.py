"""What is wrong with a project and what surrounds it, and what mends it."""
