"""Files: paths, whole reads, atomic writes, locks between processes, plain PNG."""
