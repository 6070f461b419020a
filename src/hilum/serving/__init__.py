"""Any trained model: opened, run on films, explained."""
