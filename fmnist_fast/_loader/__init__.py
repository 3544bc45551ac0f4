"""The parts of a Loader: options, progress, pipelines, ranks."""
