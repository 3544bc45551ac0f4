"""Files: paths, whole reads and atomic writes, locks between processes, plain PNG."""
