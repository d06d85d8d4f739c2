"""Arrays in, arrays out: signal processing without I/O and without the graph."""
