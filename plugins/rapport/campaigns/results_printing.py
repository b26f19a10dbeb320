"""A campaign's results as a page in the terminal."""

from rich.console import Console
from rich.text import Text

from rapport.campaigns.effects import Arm, Effect, Status
from rapport.campaigns.lift import Interval
from rapport.campaigns.results import ALL_CAMPAIGNS, CampaignResults, Period
from rapport.terminal import table

EDITIONS_SHOWN = 12
_STYLES = {Status.COLLECTING: "yellow", Status.NOT_ENOUGH_DATA: "yellow", Status.MEASURED: ""}


def print_results(results: CampaignResults, out: Console) -> None:
    """What became of the mails, what the campaign changed, and by which mails orders came."""
    name = "All campaigns" if results.campaign == ALL_CAMPAIGNS else f"Campaign {results.campaign}"
    as_of = f", as of {results.measured_at:%Y-%m-%d %H:%M} UTC" if results.measured_at else ""
    out.print(Text(f"{name}{as_of}", style="bold"))
    out.print()
    if results.funnel is not None:
        _funnel(results, out)
    if not results.periods:
        out.print("What it changed is not known: nobody was held out, so there is nobody to compare with.")
    for period in results.periods:
        _period(period, results.currency or "", len(results.periods) > 1, out)
    _editions(results, out)
    if results.last_touch is not None:
        out.print(
            f"By last click {results.last_touch.orders:,} orders came through its mails"
            f"{_worth(results.last_touch.net_revenue, results.currency)}. "
            "Not incremental: many of them would have come anyway.",
            soft_wrap=True,
        )


def _funnel(results: CampaignResults, out: Console) -> None:
    funnel = results.funnel
    assert funnel is not None
    lines = table("Mails", "number", "of those sent")
    lines.add_row("to be sent", f"{funnel.planned:,}", "")
    lines.add_row("skipped", f"{funnel.skipped:,}", "")
    for label, count in (
        ("sent", funnel.sent),
        ("delivered", funnel.delivered),
        ("bounced", funnel.bounced),
        ("clicked by a person", funnel.clicked),
        ("unsubscribed", funnel.unsubscribed),
        ("reported as spam", funnel.complained),
        ("reached the goal", funnel.converted),
    ):
        lines.add_row(label, f"{count:,}", f"{count / funnel.sent:.1%}" if funnel.sent else "")
    out.print(lines)
    out.print()


def _period(period: Period, currency: str, is_one_of_many: bool, out: Console) -> None:
    title = f"Assigned from {period.starts_at:%Y-%m-%d}" if is_one_of_many else "What it changed"
    lines = table(title, "customers", "reached the goal", "share", "net revenue each")
    effect = period.effect
    for name, arm in (
        ("got it", period.treatment),
        ("held out", effect.holdout if effect else None),
        *((f"  variant {name}", arm) for name, arm in period.variants.items()),
    ):
        if arm is not None:
            lines.add_row(name, f"{arm.customers:,}", *(_figures(arm) if period.is_over else ("", "", "")))
    out.print(lines)
    if effect is None:
        out.print("Nobody was held out: what it changed is not known.")
        if not period.is_over:
            out.print(f"Variants are compared on {period.ends_at:%Y-%m-%d}.")
    else:
        for line in sentences(effect, currency):
            out.print(Text(line, style=_STYLES[effect.status]), soft_wrap=True)
    for pair in period.comparisons:
        found = "differ" if pair.is_finding else "cannot be told apart"
        out.print(
            f"Variants {pair.one} and {pair.other} {found}: {_points(pair.difference)} "
            f"(p = {pair.p_value:.3f}, for all comparisons together).",
            soft_wrap=True,
        )
    if period.left_out:
        out.print(
            f"{period.left_out:,} customers had both arms, because they were merged; they are left out."
        )
    if period.in_two_variants:
        out.print(f"{period.in_two_variants:,} customers had two variants; they count in none.")
    out.print()


def sentences(effect: Effect, currency: str) -> list[str]:
    """What may be said of an effect, in words."""
    if effect.status is not Status.MEASURED or effect.conversion is None:
        return [f"{effect.why_not[:1].upper()}{effect.why_not[1:]}."]
    relative = f", {effect.relative:+.0%} of the share without it" if effect.relative is not None else ""
    verdict = "" if _excludes_zero(effect.conversion) else " This may be chance."
    lines = [f"It changed the share who reach the goal by {_points(effect.conversion)}{relative}.{verdict}"]
    if effect.revenue is None:
        lines.append(f"What it earned is not known: {effect.why_no_revenue}.")
        return lines
    earned = effect.revenue
    verdict = "" if _excludes_zero(earned) else " This may be chance."
    lines.append(
        f"It earned {earned.estimate:+,.2f} {currency} per customer assigned "
        f"(95 % interval {earned.low:+,.2f} to {earned.high:+,.2f}).{verdict}"
    )
    return lines


def _editions(results: CampaignResults, out: Console) -> None:
    if len(results.editions) < 2:
        return
    lines = table("By edition", "customers", "got it", "held out", last="difference")
    for edition in results.editions[-EDITIONS_SHOWN:]:
        effect = edition.effect
        name = f"{edition.step + ' ' if edition.step else ''}{edition.number} of {edition.slot_at:%Y-%m-%d}"
        is_shown = effect.status is not Status.COLLECTING
        lines.add_row(
            name,
            f"{effect.treatment.customers + effect.holdout.customers:,}",
            f"{effect.treatment.rate:.2%}" if is_shown else "",
            f"{effect.holdout.rate:.2%}" if is_shown else "",
            effect.why_not if effect.conversion is None else _points(effect.conversion),
        )
    out.print(lines)
    if len(results.editions) > EDITIONS_SHOWN:
        out.print(f"The last {EDITIONS_SHOWN} of {len(results.editions):,} editions.")
    out.print("Each edition by itself, to see whether the effect wears off; the figure above counts.")
    out.print()


def _figures(arm: Arm) -> tuple[str, str, str]:
    each = f"{arm.mean_revenue:,.2f}" if arm.mean_revenue is not None and not arm.unconverted else ""
    return f"{arm.converted:,}", f"{arm.rate:.2%}", each


def _points(interval: Interval) -> str:
    return (
        f"{100 * interval.estimate:+.2f} percentage points "
        f"(95 % interval {100 * interval.low:+.2f} to {100 * interval.high:+.2f})"
    )


def _excludes_zero(interval: Interval) -> bool:
    return bool(interval.low > 0 or interval.high < 0)


def _worth(amount: object, currency: str | None) -> str:
    return f", worth {amount:,.2f} {currency or ''}".rstrip() if amount is not None else ""
