"""The table of all films: sources joined, films prepared, what was left out told, and the folder that holds it all."""
