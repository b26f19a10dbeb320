"""The segment builder: conditions in a form, counted as they are typed, saved as versions, shown as SQL."""

from rapport.web.pages.builder.routes import router

__all__ = ["router"]
