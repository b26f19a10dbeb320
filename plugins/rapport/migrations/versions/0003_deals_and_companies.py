"""The streams of those who sell to companies: companies and deals."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COMPANIES = """
create table raw.companies (
    company_id text not null,
    updated_at timestamptz not null,
    company_name text,
    domain text,
    industry text,
    employee_count integer,
    parent_company_id text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index companies_batch_id on raw.companies using brin (batch_id);
create index companies_company_id on raw.companies (source, company_id);
"""

DEALS = """
create table raw.deals (
    deal_id text not null,
    updated_at timestamptz not null,
    opened_at timestamptz,
    company_id text,
    company_name text,
    contact_id text,
    stage text,
    status text,
    amount numeric,
    currency text,
    expected_close_date date,
    closed_at timestamptz,
    owner text,
    customer_number text,
    email text,
    phone text,
    anonymous_id text,
    first_name text,
    last_name text,
    country text,
    city text,
    postal_code text,
    time_zone text,
    is_deleted boolean not null default false,
    source text not null,
    mode text not null,
    payload jsonb,
    row_key uuid not null,
    content_hash uuid not null,
    batch_id bigint not null,
    line_number bigint not null,
    loaded_at timestamptz not null default now(),
    primary key (source, row_key)
);
create index deals_batch_id on raw.deals using brin (batch_id);
create index deals_deal_id on raw.deals (source, deal_id);
"""


def upgrade() -> None:
    for table in (COMPANIES, DEALS):
        op.execute(table)
