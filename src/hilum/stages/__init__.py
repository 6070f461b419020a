"""One short file per verb: open the run, read files, call pure functions, write a folder, upload it."""
