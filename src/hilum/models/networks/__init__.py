"""How a classifier is built: the backbone's layers, its initial weights, and the head."""
