"""The only room that imports MLflow: it connects to a store, opens and writes runs, finds and fetches models."""
