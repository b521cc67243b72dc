"""The version, moved for all distributions at once by tools/release/set_version.py."""

__version__ = "2.0.0"
