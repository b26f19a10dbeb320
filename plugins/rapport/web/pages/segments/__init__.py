"""Segments: who is in them, how they change, and their members as a file."""

from rapport.web.pages.segments.routes import router

__all__ = ["router"]
