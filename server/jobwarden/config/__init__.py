"""The user's configuration, and what a project may take away from it. Everything has a default; no file is needed."""
