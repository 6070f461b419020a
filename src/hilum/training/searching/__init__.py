"""How values are searched: samplers, pruners, batches of trials, and the database of studies."""
