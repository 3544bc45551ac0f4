"""Pictures of arrays: contact sheets, and HTML for notebooks."""
