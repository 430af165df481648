{#- dbt's own takes the time zone off, so that the columns would mean another moment in every session. -#}
{% macro postgres__snapshot_get_time() -%}
    now()
{%- endmacro %}
