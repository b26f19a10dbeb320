{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_answers'), ['source', 'kind', 'record_id']) }}",
    indexes=[
        {'columns': ['record_id', 'source', 'kind'], 'unique': true},
        {'columns': ['metric', 'answered_at', 'customer_id', 'score']},
        {'columns': ['customer_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_answers') }}
),

changed_surveys as (
    select
        source,
        record_id as response_id
    from changed
    where kind = 'survey'
),

changed_tickets as (
    select
        source,
        record_id as ticket_id
    from changed
    where kind = 'ticket'
),

responses as (
    select * from {{ ref('int_survey_responses_identified') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'response_id'], 'changed_surveys') }}
    {%- endif %}
),

asked_about as (
    select distinct about from responses
    where about is not null
),

-- What a survey asked about is a ticket or an order where exactly one has that id. Tickets are not named in a
-- `with`: used twice, all of them would be read, whoever's answers are new.
tickets_by_id as (
    select
        ticket_id,
        min(channel) as channel,
        min(category) as category,
        min(team) as team
    from {{ ref('int_tickets_enriched') }}
    where ticket_id = any(array(select asked_about.about from asked_about))
    group by ticket_id
    having count(*) = 1
),

orders_by_id as (
    select
        order_id,
        min(sales_channel) as channel
    from {{ ref('orders') }}
    where order_id = any(array(select asked_about.about from asked_about))
    group by order_id
    having count(*) = 1
),

-- The category of an order is the one with the greatest amount.
categories as (
    select distinct on (order_id)
        order_id,
        category
    from {{ ref('order_lines') }}
    where
        quantity > 0
        and category is not null
        and order_id = any(array(select orders_by_id.order_id from orders_by_id))
    group by order_id, category
    order by order_id, sum(amount) desc, category
),

surveyed as (
    select
        responses.source,
        'survey' as kind,
        responses.response_id as record_id,
        responses.customer_id,
        responses.metric,
        responses.score,
        responses.responded_at as answered_at,
        case when tickets_by_id.ticket_id is not null then tickets_by_id.channel else orders_by_id.channel end
            as channel,
        case when tickets_by_id.ticket_id is not null then tickets_by_id.category else categories.category end
            as category,
        tickets_by_id.team
    from responses
    left join tickets_by_id on responses.about = tickets_by_id.ticket_id
    left join orders_by_id on responses.about = orders_by_id.order_id
    left join categories on orders_by_id.order_id = categories.order_id
),

rated as (
    select
        source,
        'ticket' as kind,
        ticket_id as record_id,
        customer_id,
        'csat' as metric,
        csat_score as score,
        rated_at as answered_at,
        channel,
        category,
        team
    from {{ ref('int_tickets_enriched') }}
    where
        csat_score is not null
        {% if is_incremental() -%}
        and {{ among(['source', 'ticket_id'], 'changed_tickets') }}
        {%- endif %}
),

answers as (
    select * from surveyed
    union all
    select * from rated
)

-- A score that lies off its scale says nothing.
select
    answers.*,
    {{ run_id() }} as run_id
from answers
{% if is_incremental() -%}
inner join changed
    on
        answers.source = changed.source
        and answers.kind = changed.kind
        and answers.record_id = changed.record_id
{% endif -%}
where
    case answers.metric
        when 'nps' then answers.score between 0 and 10
        when 'csat' then answers.score between 1 and 5
        when 'ces' then answers.score between 1 and 7
    end
