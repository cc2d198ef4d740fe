"""Modules by name."""
