"""Comparisons to run by hand: each prints figures of both sides, their ratio, versions and machine."""
