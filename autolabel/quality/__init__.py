"""The promise: contracts, certificate, audit, rules and planner. Pure mathematics."""
