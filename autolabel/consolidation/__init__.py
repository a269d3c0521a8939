"""Several people's answers to one label: pure functions of arrays, without I/O, clock or randomness."""
