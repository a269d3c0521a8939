"""What a job decides from round to round, as pure functions over arrays: a job stores it, a benchmark replays it."""
