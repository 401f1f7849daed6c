"""NormLab's library: everything but the interface. Importing it does no work."""
