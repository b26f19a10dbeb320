"""What a call of the sender did, in numbers."""

from dataclasses import dataclass, field


@dataclass
class HandedOver:
    """What became of messages, in numbers."""

    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    returned: int = 0
    uncertain: int = 0


@dataclass
class SendCounts(HandedOver):
    """What a call did, in messages; `held` names editions that it stopped."""

    expired: int = 0
    held: list[str] = field(default_factory=list)

    def add(self, other: HandedOver) -> None:
        """Add what became of one edition's messages, or what another process did."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def sentence(self) -> str | None:
        """What did not go as planned, for the run ledger; None where all did."""
        parts = [
            f"{count:,} {word}"
            for count, word in (
                (self.rejected, "rejected"),
                (self.uncertain, "uncertain"),
                (self.returned, "put back"),
            )
            if count
        ]
        parts += [f"held: {', '.join(sorted(set(self.held)))}"] if self.held else []
        return "; ".join(parts) or None
