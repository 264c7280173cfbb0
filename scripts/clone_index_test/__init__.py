"""Tests of Clone-Index.py: make python.

They run the real script as its users do, with the real git and the real
downloader, against scripts/simregistry on the loopback interface. No test
leaves the machine. They need POSIX: signals, and terminals of their own.
"""
