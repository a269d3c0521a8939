"""The promise: certificate, audit, rule and planner. Pure mathematics."""
