"""Stand-ins for classes of other packages, so that a script changes one import."""
