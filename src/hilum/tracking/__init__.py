"""The only room that imports MLflow: a store is reached, runs are opened and written, models are found and fetched."""
