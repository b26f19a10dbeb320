{% macro previous(model_name) -%}
    {{ api.Relation.create(database=this.database, schema=this.schema, identifier=model_name) }}
{%- endmacro %}
