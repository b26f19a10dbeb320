"""The builder's routes. Nothing here writes but a version of a definition, or that one is retired."""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from rapport.audiences import estimates, stored_definitions
from rapport.audiences.behaviours import BEHAVIOURS
from rapport.audiences.customer_columns import Catalogue
from rapport.audiences.definition import ARGUMENTS, DEPTH, MOST_CONDITIONS, NARROWED_BY, read_definition
from rapport.audiences.definition_sql import model_text
from rapport.audiences.definition_words import TESTS
from rapport.audiences.segments import segment_names
from rapport.errors import DefinitionRefused, QueryStopped
from rapport.settings import Settings
from rapport.web import audit
from rapport.web.access import Marketer
from rapport.web.database import deciding, figures, people
from rapport.web.pages.builder import draft, reading
from rapport.web.rendering import page
from rapport.web.visitors import Visitor

router = APIRouter(prefix="/builder")


async def _fields(request: Request) -> FormData:
    return await request.form(max_fields=2000, max_files=0)


Fields = Annotated[FormData, Depends(_fields)]


@router.get("")
def overview(request: Request, who: Marketer) -> HTMLResponse:
    """The segments that were made here."""
    with figures(request.app.state.settings) as connection:
        return page(request, "builder/overview.html", who=who, segments=reading.segments(connection))


@router.get("/new")
def new(request: Request, who: Marketer, definition: str = "") -> HTMLResponse:
    """An empty form, or the one of a link."""
    view = _view(request.app.state.settings, who)
    if view is None:
        return page(request, "builder/no_view.html", who=who)
    box = draft.of_address(definition) or draft.Box("all", [draft.Row()])
    return _form_page(request, who, view, box, name="", version=None)


@router.get("/segments/{name}")
def segment(
    request: Request, who: Marketer, name: str, version: int | None = None, definition: str = ""
) -> HTMLResponse:
    """A segment's newest version in the form, or another one; saving makes a new version."""
    settings = request.app.state.settings
    with figures(settings) as connection:
        history = reading.history(connection, name)
    chosen = [one for one in history if version in (None, one.stored.version)]
    if not chosen:
        raise HTTPException(404, f"there is no segment {name}, or no version {version} of it, made here")
    view = _view(settings, who)
    if view is None:
        return page(request, "builder/no_view.html", who=who)
    read = read_definition(chosen[0].stored.definition)
    box = draft.of_address(definition) or draft.of_content(
        chosen[0].stored.definition if isinstance(read, list) else read
    )
    return _form_page(
        request,
        who,
        view,
        box,
        name=name,
        version=chosen[0].stored.version,
        history=history,
        based_on=history[0].stored.version,
    )


@router.post("/form")
def form(request: Request, who: Marketer, fields: Fields) -> Response:
    """The form after a button of it, or a choice that changes what else is asked for."""
    view = _needed_view(request.app.state.settings, who)
    box = draft.of_form(fields)
    focus = draft.changed(box, str(fields.get("do", "")))
    draft.settle(box, view.catalogue)
    answer = page(
        request,
        "builder/conditions.html",
        who=who,
        checked=reading.Checked(box, None, {}),
        focus=draft.name_of(focus) if focus is not None else None,
        asked_by=request.headers.get("HX-Trigger"),
        **_choices(view.catalogue),
    )
    answer.headers["HX-Trigger-After-Settle"] = "conditions"
    return _with_address(request, answer, fields, box, view.catalogue)


@router.post("/estimate")
def estimate(request: Request, who: Marketer, fields: Fields) -> HTMLResponse:
    """About how many fit."""
    return _result(request, who, fields, is_exact=False)


@router.post("/exact")
def exact(request: Request, who: Marketer, fields: Fields) -> HTMLResponse:
    """How many fit, counted."""
    return _result(request, who, fields, is_exact=True)


@router.post("/sql")
def as_sql(request: Request, who: Marketer, fields: Fields) -> HTMLResponse:
    """The form as the file of a dbt model, to copy."""
    view = _needed_view(request.app.state.settings, who)
    checked = reading.check(draft.of_form(fields), view.catalogue)
    name = str(fields.get("name") or "") or "my_segment"
    text = ""
    if checked.definition is not None:
        text = model_text(checked.definition, view.catalogue, checked.words)
    return page(request, "builder/sql.html", who=who, checked=checked, text=text, name=name)


@router.post("/save")
def save(request: Request, who: Marketer, fields: Fields) -> Response:
    """Keep the form as a version of a segment; where that cannot be, the form as it was and why."""
    settings = request.app.state.settings
    view = _needed_view(settings, who)
    box = draft.of_form(fields)
    checked = reading.check(box, view.catalogue)
    name, comment = str(fields.get("name") or "").strip(), str(fields.get("comment") or "").strip()
    opened, based_on = str(fields.get("opened") or ""), str(fields.get("based_on") or "")
    refused = None
    if len(comment) > 500 or "\0" in comment:
        refused = "the comment is longer than 500 characters"
    elif checked.definition is None:
        refused = "the conditions are not finished; what is missing stands below each"
    else:
        try:
            with deciding(settings) as connection:
                version = stored_definitions.save(
                    connection,
                    name,
                    checked.definition,
                    based_on=int(based_on) if name == opened and based_on.isdigit() else None,
                    comment=comment,
                    who=who.name,
                    taken=segment_names(settings.dbt_project),
                )
        except DefinitionRefused as error:
            refused = str(error)
        else:
            root = request.scope.get("root_path", "")
            return RedirectResponse(f"{root}/builder/segments/{name}?saved={version}", status_code=303)
    with figures(settings) as connection:
        history = reading.history(connection, opened) if opened else []
    return _form_page(
        request,
        who,
        view,
        box,
        name=opened,
        version=int(based_on) if based_on.isdigit() else None,
        history=history,
        based_on=int(based_on) if based_on.isdigit() else None,
        checked=checked,
        typed=(name, comment),
        refused=refused,
        status_code=422,
    )


@router.post("/segments/{name}/retire")
def retire(request: Request, who: Marketer, name: str) -> Response:
    """Have the segment built no more."""
    settings = request.app.state.settings
    audit.record(settings, who, "retired segment", name)
    with deciding(settings) as connection:
        if not stored_definitions.retire(connection, name):
            raise HTTPException(404, f"there is no segment {name} in use that was made here")
    return RedirectResponse(f"{request.scope.get('root_path', '')}/builder", status_code=303)


def _view(settings: Settings, who: Visitor) -> reading.View | None:
    return reading.read_view(settings, who)


def _needed_view(settings: Settings, who: Visitor) -> reading.View:
    view = reading.read_view(settings, who)
    if view is None:
        raise HTTPException(409, "there was no run yet; segments can be made after the first")
    return view


def _form_page(
    request: Request,
    who: Visitor,
    view: reading.View,
    box: draft.Box,
    *,
    name: str,
    version: int | None,
    history: list[reading.Segment] | None = None,
    based_on: int | None = None,
    checked: reading.Checked | None = None,
    typed: tuple[str, str] | None = None,
    refused: str | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    draft.settle(box, view.catalogue)
    saved = request.query_params.get("saved", "")
    return page(
        request,
        "builder/form.html",
        who=who,
        status_code=status_code,
        checked=checked or reading.Checked(box, None, {}),
        focus=None,
        asked_by=None,
        view=view,
        name=name,
        version=version,
        history=history or [],
        based_on=based_on,
        typed=typed or (name, ""),
        refused=refused,
        saved=saved if saved.isdigit() else "",
        **_choices(view.catalogue),
    )


def _choices(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "catalogue": catalogue,
        "behaviours": BEHAVIOURS,
        "most": MOST_CONDITIONS,
        "depth": DEPTH,
        "name_of": draft.name_of,
        "arguments": ARGUMENTS,
        "narrowed_by": NARROWED_BY,
        "words_of": lambda column: [(test, TESTS[test]) for test in column.tests],
        "pairs": lambda values: [(value, value) for value in values],
        "of_ways": lambda ways: [(way, f"of {way}") for way in ways],
        "groups": _by_subject(catalogue),
    }


# The first word of a column's name says where it belongs.
_SUBJECTS = {
    "Orders and money": (
        "order", "gross", "returned", "discount", "net", "first_order", "last_order", "average",
        "favourite", "has_unconverted", "lifecycle",
    ),
    "Scores": ("recency", "frequency", "monetary", "last_nps", "last_csat", "nps"),
    "Visits": ("session", "last_seen", "first_channel", "last_channel"),
    "Service": ("ticket", "open_ticket", "last_ticket"),
    "E-mails": ("email_count", "opened_email", "clicked_email", "last_emailed", "email_topics"),
}  # fmt: skip


def _by_subject(catalogue: Catalogue) -> dict[str, list[str]]:
    """The columns' names for the list to choose from: who they are first, where that was seen last."""
    found: dict[str, list[str]] = {"Who they are": [], **{subject: [] for subject in _SUBJECTS}}
    seen: list[str] = []
    for name in catalogue.columns:
        if name.endswith("_source"):
            seen.append(name)
            continue
        subject = next(
            (subject for subject, beginnings in _SUBJECTS.items() if name.startswith(beginnings)),
            "Who they are",
        )
        found[subject].append(name)
    return {subject: names for subject, names in {**found, "Where it was seen": seen}.items() if names}


def _result(request: Request, who: Visitor, fields: FormData, *, is_exact: bool) -> HTMLResponse:
    settings = request.app.state.settings
    view = _needed_view(settings, who)
    checked = reading.check(draft.of_form(fields), view.catalogue)
    found, sentence = None, ""
    if checked.definition is not None:
        count = estimates.exact if is_exact else estimates.estimate
        try:
            with people(settings, who, alone=True) as connection:
                found = count(connection, checked.definition, view.catalogue, view.as_of)
        except QueryStopped as error:
            sentence = str(error)
    numbers = {place: number for number, place in enumerate(draft.places(checked.box), 1)}
    answer = page(
        request,
        "builder/result.html",
        who=who,
        checked=checked,
        found=found,
        sentence=sentence,
        view=view,
        numbers=numbers,
    )
    return _with_address(request, answer, fields, checked.box, view.catalogue)


def _with_address(
    request: Request, answer: HTMLResponse, fields: FormData, box: draft.Box, catalogue: Catalogue
) -> HTMLResponse:
    """Have the browser's address hold the form as it is, to reload and to share; unless it is too long."""
    link = draft.in_address(box, catalogue)
    if link is not None:
        name = quote(str(fields.get("opened") or ""), safe="")
        root = request.scope.get("root_path", "")
        place = f"segments/{name}" if name else "new"
        answer.headers["HX-Replace-Url"] = f"{root}/builder/{place}?{urlencode({'definition': link})}"
    return answer
