"""The catalogue of starting checkpoints: a folder each, with its `model.toml`."""
