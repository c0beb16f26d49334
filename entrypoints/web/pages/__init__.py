"""The pages, one file for each subject: its handlers and its ROUTES."""
