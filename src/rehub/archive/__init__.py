"""Archives of models: reproducible writing of .tar.gz, safe reading of .tar.gz and .tar, and the digests of files."""

from rehub.archive.disk import sync_folder
from rehub.archive.fingerprint import fingerprint, measure, sha256_of
from rehub.archive.reading import Readable, Unpacked, looks_like_archive, unpack
from rehub.archive.tar import Limits
from rehub.archive.writing import pack

__all__ = [
    "Limits",
    "Readable",
    "Unpacked",
    "fingerprint",
    "looks_like_archive",
    "measure",
    "pack",
    "sha256_of",
    "sync_folder",
    "unpack",
]
