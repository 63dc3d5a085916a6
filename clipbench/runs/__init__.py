"""Running a suite: jobs, plan, execution."""
