"""What planning and sending say in one word, in words that a marketer reads."""

from rapport.errors import RapportError

REASONS = {
    "no_address": "No e-mail address",
    "no_consent": "No consent for the topic",
    "suppressed": "Unsubscribed or suppressed",
    "same_address": "Somebody else has the same address",
    "frequency_cap": "Enough other mails (frequency cap)",
    "re_entry": "Got this campaign before",
    "holdout": "Held out, to compare with",
    "global_holdout": "Held out of all campaigns",
    "condition": "Outside the audience's conditions",
    "bought_within": "Has not ordered recently enough",
    "not_bought_within": "Has ordered too recently",
    "mailed_within": "Was not mailed recently enough",
    "not_mailed_within": "Was mailed too recently",
    "goal_reached": "Has reached the goal already",
    "no_longer_matches": "Left the audience before sending",
    "merged": "Is somebody who gets it already",
    "render_error": "The mail could not be written",
    "limit": "Over the campaign's maximum",
    "sunset": "No sign of life for very long",
}
GOALS = {
    "order": "Bought",
    "visit": "Came to the shop",
    "cart": "Filled a cart",
    "survey_response": "Answered a survey",
}
_HELD = {
    "failed_test": "The data failed the check {}, and nothing built on such data is sent.",
    "failed_step": "The step “{}” of the run failed, and nothing is sent before it has succeeded.",
    "stale_source": "The feed {} is late: its newest records are older than it allows.",
    "segment_held": "A segment that it is for could not be built: {}.",
    "limit": "It is too large: {}.",
    "drift": "Its size is unusual: {}.",
    "silent_webhook": "Nothing is heard from the provider: {}.",
    "template_error": "The mail cannot be written for everybody: {}.",
    "render_errors": "Too many of its mails could not be written: {}.",
    "holdout_shrunk": "The share that is held out may not shrink: {}.",
    "low_vouchers": "There are not enough vouchers: {}.",
    "no_cap_class": "How often its readers may be mailed is not known any more: {}.",
    "sending": "Sending was stopped: {}.",
    "restored": "The warehouse was restored from a backup; nobody knows what was sent since.",
}
_CANCELLED = {
    "by_hand": "Somebody cancelled it.",
    "superseded": "A later edition took its place.",
    "not_approved": "Nobody approved it in time.",
}


_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def schedule_in_words(cron: str) -> str | None:
    """`0 8 * * 2` → on Tuesdays at 08:00; None for a line that is less plain than that."""
    minute, hour, day, month, weekday = cron.split()
    if not (minute.isdecimal() and hour.isdecimal() and month == "*"):
        return None
    at = f"at {int(hour):02}:{int(minute):02}"
    if day == "*" and weekday == "*":
        return f"every day {at}"
    if day == "*" and all(one.isdecimal() for one in weekday.split(",")):
        return f"on {', '.join(_DAYS[int(one)] for one in weekday.split(','))} {at}"
    if weekday == "*" and day.isdecimal():
        return f"on day {day} of each month {at}"
    return None


def held_because(reason: str | None) -> str:
    """The reason of a held edition, or of a pause, as a sentence; a person's own words stay as they are."""
    word, _, rest = (reason or "").partition(": ")
    return _HELD[word].format(rest.rstrip(".")) if word in _HELD else reason or ""


def cancelled_because(reason: str | None) -> str:
    """The reason of a cancelled edition as a sentence."""
    return _CANCELLED.get(reason or "", reason or "")


def sentence(error: RapportError) -> str:
    """An error as a sentence on a page."""
    return f"{str(error)[:1].upper()}{str(error)[1:].rstrip('.')}."
