"""The same figures as the independent count's, asked of the warehouse."""

from decimal import Decimal

import pandas as pd
import psycopg

SHOP_CUSTOMERS = """
    select identifiers.value as number, customers.*
    from identity.identifiers
    inner join marts.customers using (customer_id)
    where identifiers.kind = 'customer_number' and identifiers.source = 'online_shop'
"""

SALES = f"""
    with shop_customers as ({SHOP_CUSTOMERS})

    select
        (select count(*) from raw.order_lines) as order_lines,
        (select count(*) from marts.orders) as orders,
        (select count(*) from marts.orders where customer_id in (select customer_id from shop_customers))
            as orders_with_customer,
        (select count(*) from shop_customers) as shop_customers,
        (select sum(gross_revenue) from shop_customers) as gross,
        (select sum(returned_amount) from shop_customers) as returned,
        (select sum(net_revenue) from shop_customers) as net,
        (select count(*) from shop_customers where order_count = 0) as customers_with_only_returns,
        (select sum(gross_amount) from marts.orders where customer_id is null) as gross_without_customer,
        (select sum(amount) from marts.returns where customer_id is null) as negative_without_customer,
        count(*) as orders_with_two_times,
        extract(epoch from max(last_line_at - first_line_at))::int as seconds_between_two_times
    from (
        select min(ordered_at) as first_line_at, max(ordered_at) as last_line_at
        from raw.order_lines
        group by source, order_id
    ) as line_times
    where first_line_at < last_line_at
"""

IDENTITY = f"""
    with shop_customers as ({SHOP_CUSTOMERS}),

    visitors as (
        select sessions.*, shop_customers.customer_id is not null as is_shop_customer
        from marts.sessions
        left join shop_customers using (customer_id)
    )

    select
        (select count(*) from marts.customers) as customers,
        (select count(distinct customer_id) from shop_customers) as customers_with_shop_number,
        sum(event_count)::bigint as web_events,
        count(distinct anonymous_id) as devices,
        count(distinct anonymous_id) filter (where is_shop_customer) as devices_of_shop_customers,
        sum(event_count) filter (where is_shop_customer)::bigint as events_of_shop_customers,
        count(*) as sessions
    from visitors
"""

TICKETS = """
    select
        count(*) as tickets,
        count(*) filter (where status not in ('solved', 'closed')) as open_tickets,
        count(*) filter (where reopen_count > 0) as reopened_by_counter,
        count(*) filter (where reopening_count > 0) as reopened_by_state
    from marts.tickets
"""

PRODUCTS = """
    select product_id, line_count, quantity::int as quantity, gross_revenue as gross, customer_count,
        returned_quantity::int as returned_quantity, returned_amount as returned
    from marts.products
"""

AFFINITY = """
    select product_id, other_product_id, order_count, product_order_count, other_order_count, basket_count,
        support, confidence, lift
    from marts.product_affinity
"""

COHORTS = """
    select to_char(cohort_month, 'YYYY-MM') as cohort, months_since, customer_count, active_customer_count,
        order_count, net_revenue
    from marts.cohorts
"""

VISITS = "select anonymous_id, started_at, ended_at, event_count from marts.sessions"

NOT_IN_THE_LOG = """
    select
        count(first_replied_at) as replied,
        count(reply_count) as replies_counted,
        count(csat_score) as rated,
        count(*) filter (where solved_at > updated_at) as solved_in_hindsight,
        (select count(last_csat_score) + count(last_nps_score) from marts.customers) as customers_with_a_score
    from marts.tickets
"""

WON_BACK = """
    select count(distinct customer_id) as people
    from segments.members
    where
        segment in ('lapsed', 'at_risk')
        and customer_id not in (select customer_id from segments.members where segment = 'unhappy')
"""

BY_TICKET = """
    select ticket_id, resolution_minutes, resolution_business_minutes, reopening_count, hand_over_count
    from marts.tickets
"""

BACKLOG = """
    select service_date, sum(backlog_count) as backlog
    from marts.service_daily
    group by service_date
"""

TICKET_LOG = """
    select
        count(*) as ticket_versions,
        count(*) - count(distinct (ticket_id, updated_at)) as rows_sharing_ticket_and_time,
        count(*) filter (where solved_at > updated_at) as rows_with_hindsight
    from raw.ticket_versions
"""


def figures(url: str, query: str) -> dict[str, int | Decimal]:
    """The one row that the query gives, by column."""
    return frame(url, query).iloc[0].to_dict()


def frame(url: str, query: str) -> pd.DataFrame:
    """All rows of the query; numbers, decimals and times as psycopg gives them."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names, dtype="object")
