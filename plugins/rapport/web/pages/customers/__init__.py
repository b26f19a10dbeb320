"""Customers: find somebody, and see who they are, what happened, and what they got and will get."""

from rapport.web.pages.customers.routes import router

__all__ = ["router"]
