"""The report of a job: one HTML file, and what a terminal shows."""
