"""Campaign files: config/campaigns/*.yml, one campaign each, checked before anything is planned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rapport.audiences.segments import segment_names
from rapport.campaigns import templates
from rapport.campaigns.campaign import Campaign, CampaignFile, Content
from rapport.campaigns.conditions import condition_mistakes
from rapport.campaigns.fields import Fields
from rapport.campaigns.files import FileMistakes, nearest, read_model, shown
from rapport.delivery.configuration import read_delivery
from rapport.delivery.faults import TemplateMistakes
from rapport.delivery.rendering import compile_mail
from rapport.errors import ConfigurationError
from rapport.settings import Settings


class CampaignProblem(NamedTuple):
    """A campaign that cannot be used; `sentences` name file, line or key, and what would be right."""

    campaign: str
    sentences: list[str]


class _Known(NamedTuple):
    """The names that a campaign file may point to."""

    segments: Sequence[str]
    caps: list[str]
    campaigns: list[str]


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
        fields: the columns that templates may use, and segments made in the pages; None where the warehouse
            is not built yet, then names are not checked against it.

    Raises:
        ConfigurationError: there is no folder of segments, or config/delivery.yml is wrong.
    """
    known = _Known(
        segments=sorted({*segment_names(settings.dbt_project), *(fields.defined if fields else ())}),
        caps=list(read_delivery(settings).caps),
        campaigns=sorted(path.stem for path in (settings.config / "campaigns").glob("*.yml")),
    )
    good, problems = [], []
    for path in sorted((settings.config / "campaigns").glob("*.yml")):
        try:
            good.append(_read(path, settings, known, fields or Fields()))
        except FileMistakes as mistakes:
            problems.append(CampaignProblem(path.stem, mistakes.sentences))
    good.sort(key=lambda campaign: (-campaign.priority, campaign.name))
    return Campaigns(good, problems)


def _read(path: Path, settings: Settings, known: _Known, fields: Fields) -> Campaign:
    file = read_model(path, CampaignFile)
    mistakes = list(_unknown_names(path, file, known))
    mistakes += [
        f"{shown(path)}: {mistake}" for mistake in condition_mistakes(file.audience.where, fields.customer)
    ]
    sources: dict[str, str] = {}
    for mail, content in file.contents.items():
        sources |= _read_content(path, settings, file, mail, content, fields, mistakes)
    if mistakes:
        raise FileMistakes(mistakes)
    # Validated again by construction: the file's own values in their written form.
    return Campaign(**file.model_dump(mode="json"), name=path.stem, sources=sources)


def _read_content(
    path: Path,
    settings: Settings,
    file: CampaignFile,
    mail: tuple[str, str],
    content: Content,
    fields: Fields,
    mistakes: list[str],
) -> dict[str, str]:
    """The source of the mail's template, by its name; what is wrong with the mail is added to `mistakes`."""
    where = "".join(f"{name}: " for name in (shown(path), *mail) if name)
    try:
        template = templates.read_template(settings.config / "templates", str(content.template), shown(path))
    except FileMistakes as error:
        mistakes += [sentence for sentence in error.sentences if sentence not in mistakes]
        return {}
    found = [
        f"{where}{key}: {sentence}"
        for key in ("subject", "preheader")
        for _, sentence in fields.mistakes_in(getattr(content, key), file.member_segments)
    ]
    found += [
        f"{name}, line {line}: {sentence}"
        for name, source in template.files.items()
        for line, sentence in fields.mistakes_in(source, file.member_segments)
    ]
    if not found:
        try:
            compile_mail(str(content.subject), str(content.preheader), template.source)
        except TemplateMistakes as error:
            found += [f"{template.name}: {sentence}" for sentence in error.sentences]
    mistakes += [sentence for sentence in found if sentence not in mistakes]
    return {str(content.template): template.source}


def _unknown_names(path: Path, file: CampaignFile, known: _Known) -> Iterator[str]:
    named: list[tuple[str, str, str | None, Sequence[str]]] = [
        *(("audience.include", "segment", segment, known.segments) for segment in file.audience.include),
        *(("audience.exclude", "segment", segment, known.segments) for segment in file.audience.exclude),
        ("trigger.entering", "segment", file.trigger.entering, known.segments),
        ("cap", "cap class", file.cap, known.caps),
        ("service_hold.campaign", "campaign", file.service_hold.campaign, known.campaigns),
    ]
    for key, kind, name, names in named:
        if name is not None and name not in names:
            yield f"{shown(path)}: {key}: there is no {kind} {name}{nearest(name, list(names))}"
