"""A frozen model on films of another origin than its own."""
