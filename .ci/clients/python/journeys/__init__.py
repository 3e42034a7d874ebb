"""Journeys through the generated clients, one API a module."""
