"""How a phase learns: sampling of the classes, loss, optimizer, learning rates, averaged weights, mixup."""
