"""All routes of the pages on campaigns."""

from fastapi import APIRouter

from rapport.web.pages.campaigns import deciding, previewing, showing

router = APIRouter()
for part in (showing, deciding, previewing):
    router.include_router(part.router)
