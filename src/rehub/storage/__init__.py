"""Object stores, read and write: what a hub keeps lies in a folder or in a bucket, and in nothing else."""
