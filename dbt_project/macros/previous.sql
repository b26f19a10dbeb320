{% macro previous(model_name, schema_name=none) -%}
    {{ api.Relation.create(
        database=this.database,
        schema=generate_schema_name(schema_name, none) if schema_name else this.schema,
        identifier=model_name,
    ) }}
{%- endmacro %}
