"""The drop-in endpoint's live side: callers that wait on the line, and the jobs that they wait for."""
