"""The unit of work: a run of objects becomes one file of vectors and one receipt, here or on another machine."""
