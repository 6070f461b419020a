"""Films: where they come from, how they become a manifest, and how they are split."""
