"""What each job costs by size, beside what a user would pick instead and beside its physical limit."""
