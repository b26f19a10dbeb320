"""Settings: how mails leave and whether that is in order, which keys there are, who looked at whom."""

from rapport.web.pages.settings.routes import router

__all__ = ["router"]
