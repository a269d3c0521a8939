"""The job: states, the step engine, what it remembers, and the output it writes."""
