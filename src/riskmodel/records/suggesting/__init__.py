"""A mapping drafted from a file, for a person to correct."""
