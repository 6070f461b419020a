"""Who runs the jobs of a stage: trials, folds, repeats, films of a folder."""
