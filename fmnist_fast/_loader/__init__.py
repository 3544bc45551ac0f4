"""Parts of a Loader: options, progress, pipelines, ranks."""
