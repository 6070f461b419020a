"""A model from anywhere: opened, asked, explained."""
