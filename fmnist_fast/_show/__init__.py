"""Display of arrays: contact sheets, and HTML for notebooks."""
