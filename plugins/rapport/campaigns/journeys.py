"""The mails of a campaign in their order, and who is ready for the next mail of a journey.

What becomes of a step decides what comes after it. A mail that was handed over, or may have been, is waited
from when that was. One that never arrived through no decision about the person (too late, over the cap, it
did not render, refused by the other side) does not stop the journey: the next waits from when it was due.
Whatever else a step was skipped for ends it: the goal reached, the consent gone, the holdout.
"""

from dataclasses import dataclass
from datetime import timedelta

from rapport.campaigns.campaign import Campaign

# A step is planned up to so long before it is due: runs are a day apart, and who does something on the
# day should still be found out by the next plan.
PLANNED_AHEAD = timedelta(days=1)

# Reasons of a skipped step after which the next one still comes.
PASSED_OVER = ("frequency_cap", "limit", "render_error", "same_address")


@dataclass(frozen=True)
class Mailing:
    """One of a campaign's mails in turn. A campaign without a journey has one, without a name.

    Args:
        previous: the step before; None for what begins with the slot or with entering.
        wait: from when the previous was accepted, else from entering.
    """

    step: str | None = None
    previous: str | None = None
    wait: timedelta = timedelta(0)


def mailings(campaign: Campaign) -> list[Mailing]:
    """The campaign's mails in their order."""
    names = [step.name for step in campaign.journey]
    return [
        Mailing(step.name, previous, step.wait)
        for step, previous in zip(campaign.journey, [None, *names], strict=False)
    ] or [Mailing()]
