"""The eleven streams."""

from rapport.streams.contract import Column, ColumnType, Mode, Stream

TEXT, INTEGER, NUMERIC, BOOLEAN, TIMESTAMP, DATE, JSON = (
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.NUMERIC,
    ColumnType.BOOLEAN,
    ColumnType.TIMESTAMP,
    ColumnType.DATE,
    ColumnType.JSON,
)

TICKET_STATUSES = ("new", "open", "pending", "on_hold", "solved", "closed", "unknown")
LINE_KINDS = ("product", "shipping", "fee", "discount", "gift_card", "donation", "other")

ORDERS = Stream(
    name="orders",
    own_columns=(
        Column("order_id", required=True),
        Column("ordered_at", TIMESTAMP, required=True),
        Column("updated_at", TIMESTAMP),
        Column("cancelled_at", TIMESTAMP),
        Column("currency"),
        Column("discount_amount", NUMERIC),
        Column("tax_amount", NUMERIC),
        Column("shipping_amount", NUMERIC),
        Column("total_amount", NUMERIC),
        Column("prices_include_tax", BOOLEAN),
        Column("order_status"),
        Column("sales_channel"),
        Column("is_deleted", BOOLEAN),
    ),
    key=("order_id",),
    event_time="ordered_at",
    default_mode=Mode.VERSIONS,
    modes=(Mode.VERSIONS, Mode.APPEND, Mode.SNAPSHOT),
    version=("updated_at",),
)

ORDER_LINES = Stream(
    name="order_lines",
    own_columns=(
        Column("order_id", required=True),
        Column("line_id"),
        Column("ordered_at", TIMESTAMP, required=True),
        Column("quantity", NUMERIC, required=True),
        Column("unit_price", NUMERIC, required=True),
        Column("line_kind", choices=LINE_KINDS),
        Column("product_id"),
        Column("product_name"),
        Column("category"),
        Column("currency"),
        Column("discount_amount", NUMERIC),
        Column("tax_amount", NUMERIC),
        Column("order_status"),
        Column("sales_channel"),
    ),
    key=("order_id", "line_id"),
    event_time="ordered_at",
    default_mode=Mode.APPEND,
    modes=(Mode.APPEND, Mode.REPLACE_ORDER, Mode.SNAPSHOT),
)

REFUNDS = Stream(
    name="refunds",
    own_columns=(
        Column("refund_id", required=True),
        Column("refunded_at", TIMESTAMP, required=True),
        Column("amount", NUMERIC, required=True),
        Column("order_id"),
        Column("line_id"),
        Column("product_id"),
        Column("quantity", NUMERIC),
        Column("currency"),
        Column("kind", choices=("return", "price", "shipping", "chargeback")),
    ),
    key=("refund_id",),
    event_time="refunded_at",
    default_mode=Mode.APPEND,
    modes=(Mode.APPEND, Mode.SNAPSHOT),
)

WEB_EVENTS = Stream(
    name="web_events",
    own_columns=(
        Column("event_id", required=True),
        Column("event_name", required=True),
        Column("occurred_at", TIMESTAMP, required=True),
        Column("anonymous_id"),
        Column("page_url"),
        Column("referrer"),
        Column("utm_source"),
        Column("utm_medium"),
        Column("utm_campaign"),
        Column("product_id"),
        Column("value", NUMERIC),
        Column("properties", JSON),
    ),
    key=("event_id",),
    event_time="occurred_at",
    default_mode=Mode.APPEND,
    modes=(Mode.APPEND,),
)

TICKET_VERSIONS = Stream(
    name="ticket_versions",
    own_columns=(
        Column("ticket_id", required=True),
        Column("opened_at", TIMESTAMP, required=True),
        Column("updated_at", TIMESTAMP, required=True),
        Column("version", INTEGER, least=0),
        Column("status", required=True, choices=TICKET_STATUSES),
        Column("subject"),
        Column("channel"),
        Column("priority"),
        Column("category"),
        Column("assignee"),
        Column("team"),
        Column("reopen_count", INTEGER, least=0),
        Column("first_replied_at", TIMESTAMP),
        Column("solved_at", TIMESTAMP),
        Column("csat_score", NUMERIC),
        Column("is_deleted", BOOLEAN),
    ),
    key=("ticket_id",),
    event_time="updated_at",
    default_mode=Mode.VERSIONS,
    modes=(Mode.VERSIONS, Mode.SNAPSHOT),
    version=("updated_at", "version"),
)

TICKET_EVENTS = Stream(
    name="ticket_events",
    own_columns=(
        Column("event_id", required=True),
        Column("ticket_id", required=True),
        Column("occurred_at", TIMESTAMP, required=True),
        Column("kind", required=True, choices=("status", "comment", "assignment", "rating")),
        Column("status", choices=TICKET_STATUSES),
        Column("author_kind", choices=("customer", "agent", "system")),
        Column("is_public", BOOLEAN),
        Column("body"),
        Column("rating"),
    ),
    key=("event_id",),
    event_time="occurred_at",
    default_mode=Mode.APPEND,
    modes=(Mode.APPEND,),
)

SURVEY_RESPONSES = Stream(
    name="survey_responses",
    own_columns=(
        Column("response_id", required=True),
        Column("responded_at", TIMESTAMP, required=True),
        Column("metric", required=True, choices=("nps", "csat", "ces")),
        Column("score", NUMERIC, required=True, least=0, most=10),
        Column("comment"),
        Column("about"),
    ),
    key=("response_id",),
    event_time="responded_at",
    default_mode=Mode.APPEND,
    modes=(Mode.APPEND, Mode.SNAPSHOT),
)

CONTACTS = Stream(
    name="contacts",
    own_columns=(
        Column("contact_id", required=True),
        Column("updated_at", TIMESTAMP, required=True),
        Column("first_name"),
        Column("last_name"),
        Column("company_id"),
        Column("company_name"),
        Column("title"),
        Column("birth_date", DATE),
        Column("language"),
        Column("is_deleted", BOOLEAN),
    ),
    key=("contact_id",),
    event_time="updated_at",
    default_mode=Mode.VERSIONS,
    modes=(Mode.VERSIONS, Mode.SNAPSHOT),
    version=("updated_at",),
)

COMPANIES = Stream(
    name="companies",
    own_columns=(
        Column("company_id", required=True),
        Column("updated_at", TIMESTAMP, required=True),
        Column("company_name"),
        Column("domain"),
        Column("industry"),
        Column("employee_count", INTEGER),
        Column("parent_company_id"),
        Column("is_deleted", BOOLEAN),
    ),
    key=("company_id",),
    event_time="updated_at",
    default_mode=Mode.VERSIONS,
    modes=(Mode.VERSIONS, Mode.SNAPSHOT),
    version=("updated_at",),
)

DEALS = Stream(
    name="deals",
    own_columns=(
        Column("deal_id", required=True),
        Column("updated_at", TIMESTAMP, required=True),
        Column("opened_at", TIMESTAMP),
        Column("company_id"),
        Column("company_name"),
        Column("contact_id"),
        Column("stage"),
        Column("status", choices=("open", "won", "lost")),
        Column("amount", NUMERIC),
        Column("currency"),
        Column("expected_close_date", DATE),
        Column("closed_at", TIMESTAMP),
        Column("owner"),
        Column("is_deleted", BOOLEAN),
    ),
    key=("deal_id",),
    event_time="updated_at",
    default_mode=Mode.VERSIONS,
    modes=(Mode.VERSIONS, Mode.SNAPSHOT),
    version=("updated_at",),
)

CONSENTS = Stream(
    name="consents",
    own_columns=(
        Column("consent_id", required=True),
        Column("decided_at", TIMESTAMP, required=True),
        Column("channel", required=True),
        Column("topic", required=True),
        Column("decision", required=True, choices=("granted", "withdrawn")),
        Column("basis"),
        Column("confirmed_at", TIMESTAMP),
        Column("expires_at", TIMESTAMP),
        Column("text_version"),
        Column("evidence"),
    ),
    key=("consent_id",),
    event_time="decided_at",
    default_mode=Mode.APPEND,
    modes=(Mode.APPEND,),
)

STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        ORDERS,
        ORDER_LINES,
        REFUNDS,
        WEB_EVENTS,
        TICKET_VERSIONS,
        TICKET_EVENTS,
        SURVEY_RESPONSES,
        CONTACTS,
        COMPANIES,
        DEALS,
        CONSENTS,
    )
}
