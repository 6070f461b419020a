"""How a phase learns: what it shows of each class, its loss, optimizer and learning rates, averaged weights, mixed rows."""
