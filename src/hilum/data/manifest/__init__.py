"""The table of all films: sources joined, films prepared, left-out films listed, and the folder that holds it all."""
