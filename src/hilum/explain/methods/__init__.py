"""The explanation methods, one file each, and their registry."""
