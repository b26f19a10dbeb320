"""95 % intervals of what customers say, by the formulas of the mart of experience.

They are told again here because a page adds days and groups up before it asks for them.
"""

from math import sqrt

from rapport.campaigns.lift import Interval, wilson

Z = 1.959964


def nps_interval(promoters: int, detractors: int, answers: int) -> Interval:
    """The Net Promoter Score in points, -100 to 100; `answers` > 0.

    The adjusted Wald interval: 3 answers more, 3/4 of them promoters and 3/4 detractors (B. Rocks, Interval
    estimation for the Net Promoter Score, The American Statistician 70, 2016).
    """
    up, down = (promoters + 0.75) / (answers + 3), (detractors + 0.75) / (answers + 3)
    spread = Z * sqrt((up + down - (up - down) ** 2) / (answers + 3))
    return Interval(
        100 * (promoters - detractors) / answers,
        100 * max(-1.0, up - down - spread),
        100 * min(1.0, up - down + spread),
    )


def share_interval(counted: int, answers: int) -> Interval:
    """A share in percent; `answers` > 0."""
    found = wilson(counted, answers)
    return Interval(100 * float(found.estimate), 100 * float(found.low), 100 * float(found.high))
