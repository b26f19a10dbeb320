"""Why somebody gets nothing, in words. The macro message_reasons says the same of what was planned."""

REASONS = {
    "no_address": "no e-mail address is known",
    "no_consent": "no address holds consent for the topic",
    "suppressed": "the address must not be written to",
    "same_address": "somebody else with the same address gets it",
    "frequency_cap": "enough other mails in this time",
    "re_entry": "got this campaign before",
    "holdout": "in the share that gets nothing, to see what the campaign earns",
    "global_holdout": "in the share that gets no campaign at all",
    "condition": "did not meet the conditions of the audience",
    "bought_within": "did not order in the time that the audience asks for",
    "not_bought_within": "has ordered too recently",
    "mailed_within": "was not mailed in the time that the audience asks for",
    "not_mailed_within": "was mailed too recently",
    "goal_reached": "has reached the goal already",
    "no_longer_matches": "was not in the audience any more when it was due",
    "merged": "turned out to be somebody who gets it already",
    "render_error": "the mail could not be written with what is known of them",
    "limit": "the campaign had reached its hard maximum",
    "sunset": "no click, visit or order for very long",
    "too_late": "could not go out in time",
}
