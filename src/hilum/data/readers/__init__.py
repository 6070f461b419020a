"""One reader per public data set or kind of data set: from a folder of films to one row per film."""
