"""Several classifiers of one task as one: their graph, and which models of a project they are."""
