"""Download published files, and files at URLs, into a folder."""
