"""Campaigns: the list by state, a campaign, an edition, previews; and what people decide there."""

from fastapi import APIRouter

from rapport.web.pages.campaigns import deciding, previewing, showing

router = APIRouter()
for part in (showing, deciding, previewing):
    router.include_router(part.router)
