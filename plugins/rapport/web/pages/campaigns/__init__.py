"""Campaigns: the list by state, a campaign, an edition, previews; and what people decide there."""
