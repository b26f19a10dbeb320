"""Who is in which segment since when, and to which addresses nothing may be sent."""
