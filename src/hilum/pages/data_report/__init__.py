"""The data report: the films before training on one page."""
