{#- Rows of an incremental model are told apart by what they hold, not by when they were written: a clock loses rows
    that were loaded before the last run and committed after it. -#}
{% macro is_new_or_changed(candidate, key, columns) -%}
NOT EXISTS (
    SELECT 1
    FROM {{ this }} AS built
    WHERE
        {% for name in key -%}
        built.{{ name }} = {{ candidate }}.{{ name }} AND {% endfor %}
        ({% for name in columns %}built.{{ name }}{{ ", " if not loop.last }}{% endfor %})
        IS NOT DISTINCT FROM
        ({% for name in columns %}{{ candidate }}.{{ name }}{{ ", " if not loop.last }}{% endfor %})
)
{%- endmacro %}

{% macro delete_vanished(made_from, key) -%}
{%- if is_incremental() -%}
DELETE FROM {{ this }} AS built
WHERE NOT EXISTS (
    SELECT 1
    FROM {{ made_from }} AS candidate
    WHERE {% for name in key %}built.{{ name }} = candidate.{{ name }}{{ " AND " if not loop.last }}{% endfor %}
)
{%- endif -%}
{%- endmacro %}
