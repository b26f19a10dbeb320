"""Campaign files: config/campaigns/*.yml, one campaign each, checked before anything is planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rapport.audiences.segments import segment_names
from rapport.campaigns import templates
from rapport.campaigns.campaign import Campaign, CampaignFile
from rapport.campaigns.fields import Fields
from rapport.campaigns.files import FileMistakes, nearest, read_model, shown
from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.rendering import compile_mail
from rapport.errors import ConfigurationError
from rapport.settings import Settings


class CampaignProblem(NamedTuple):
    """A campaign that cannot be used; `sentences` name file, line or key, and what would be right."""

    campaign: str
    sentences: list[str]


@dataclass(frozen=True)
class Campaigns:
    """The good campaigns, highest priority first, and what is wrong with the others."""

    good: list[Campaign]
    problems: list[CampaignProblem]

    def raise_problems(self) -> None:
        """Raises ConfigurationError with every mistake, if there is one."""
        if self.problems:
            raise ConfigurationError("; ".join(s for problem in self.problems for s in problem.sentences))


def read_campaigns(settings: Settings, fields: Fields | None = None) -> Campaigns:
    """Read and check every campaign file; a bad one never stops the others.

    Args:
        fields: the columns that templates may use; None where the warehouse is not built yet, then names are
            not checked against it.

    Raises:
        ConfigurationError: there is no folder of segments.
    """
    segments = segment_names(settings.dbt_project)
    good, problems = [], []
    for path in sorted((settings.config / "campaigns").glob("*.yml")):
        try:
            good.append(_read(path, settings, segments, fields or Fields()))
        except FileMistakes as mistakes:
            problems.append(CampaignProblem(path.stem, mistakes.sentences))
    good.sort(key=lambda campaign: (-campaign.priority, campaign.name))
    return Campaigns(good, problems)


def _read(path: Path, settings: Settings, segments: Sequence[str], fields: Fields) -> Campaign:
    file = read_model(path, CampaignFile)
    mistakes = list(_unknown_segments(path, file, segments))
    try:
        template = templates.read_template(settings.config / "templates", file.template, shown(path))
    except FileMistakes as error:
        raise FileMistakes(mistakes + error.sentences) from None
    mistakes += [
        f"{shown(path)}: {key}: {sentence}"
        for key, source in (("subject", file.subject), ("preheader", file.preheader))
        for _, sentence in fields.mistakes_in(source, file.member_segments)
    ]
    mistakes += [
        f"{name}, line {line}: {sentence}"
        for name, source in template.files.items()
        for line, sentence in fields.mistakes_in(source, file.member_segments)
    ]
    if not mistakes:
        try:
            compile_mail(file.subject, file.preheader, template.source)
        except TemplateMistakes as error:
            mistakes += [f"{template.name}: {sentence}" for sentence in error.sentences]
    if mistakes:
        raise FileMistakes(mistakes)
    # Validated again by construction: the file's own values in their written form.
    return Campaign(**file.model_dump(mode="json"), name=path.stem, source=template.source)


def _unknown_segments(path: Path, file: CampaignFile, segments: Sequence[str]) -> list[str]:
    named = [
        *(("audience.include", segment) for segment in file.audience.include),
        *(("audience.exclude", segment) for segment in file.audience.exclude),
        *([("trigger.entering", file.trigger.entering)] if file.trigger.entering else []),
    ]
    return [
        f"{shown(path)}: {key}: there is no segment {segment}{nearest(segment, list(segments))}"
        for key, segment in named
        if segment not in segments
    ]
