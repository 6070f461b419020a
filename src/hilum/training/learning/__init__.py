"""How a phase learns: its loss and optimizer, the course of its learning rate, the average of its weights, mixed rows."""
