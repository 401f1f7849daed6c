"""NormLab's interface parts, shared by the pages."""
