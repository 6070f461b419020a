"""One reader per public data set or form of data set: a folder of films in, one row per film out."""
