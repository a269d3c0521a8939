"""Input lines, strictly read and indexed, and augmented output lines."""
