"""`python -m bench`: this library beside its peers, each in its own process, in alternating rounds."""
