"""Archives of models: reproducible writing of .tar.gz, safe reading of .tar.gz and .tar, and the digests of files."""
