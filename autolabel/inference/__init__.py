"""Object bytes to embeddings: the performance-critical path, and the models it runs."""
