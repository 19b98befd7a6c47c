"""What is looked at in a request before it becomes a job."""
