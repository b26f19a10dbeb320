"""Segments that people define in the pages."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DEFINITIONS = """
create table segments.definitions (
    name text not null check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
    version integer not null check (version > 0),
    definition jsonb not null,
    comment text not null default '',
    created_by text not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    primary key (name, version)
);
comment on table segments.definitions is
    'One row per version of a segment made in the pages; the newest counts. Only retired_at ever changes.';
comment on column segments.definitions.name is 'The name of the segment.';
comment on column segments.definitions.version is '1, 2, 3, … of the segment.';
comment on column segments.definitions.definition is 'Its conditions (docs/segment-builder.md).';
comment on column segments.definitions.comment is 'Why it was made or changed, by who did.';
comment on column segments.definitions.created_by is 'Who saved the version.';
comment on column segments.definitions.created_at is 'When.';
comment on column segments.definitions.retired_at is
    'On the newest version: since when the segment is built no more.';

create function segments.keep_definition() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or to_jsonb(new) - 'retired_at' <> to_jsonb(old) - 'retired_at' then
        raise 'segments.definitions is only added to: save a new version of %', old.name;
    end if;
    return new;
end
$$;
create trigger keep_definition before update or delete on segments.definitions
    for each row execute function segments.keep_definition();

create table segments.definition_builds (
    name text primary key,
    version integer not null,
    run_id bigint not null references ops.runs,
    as_of timestamptz not null,
    members bigint not null,
    held_because text
);
comment on table segments.definition_builds is 'One row per defined segment: how its last build went.';
comment on column segments.definition_builds.name is 'The name of the segment.';
comment on column segments.definition_builds.version is 'The version of its definition that was to be built.';
comment on column segments.definition_builds.run_id is 'The run that did.';
comment on column segments.definition_builds.as_of is 'The time as of which it was built.';
comment on column segments.definition_builds.members is 'How many are in, or stayed in.';
comment on column segments.definition_builds.held_because is
    'Why it could not be built; its members are then those of the build before.';
"""


def upgrade() -> None:
    op.execute(DEFINITIONS)
