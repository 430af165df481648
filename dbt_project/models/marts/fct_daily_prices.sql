{%- set key = ['ticker', 'price_date'] -%}
{%- set measures = [
    'open_price', 'high_price', 'low_price', 'close_price', 'adjusted_close_price', 'volume', 'daily_return',
    'log_return', 'inputs_loaded_at'
] -%}
{{
    config(
        materialized='incremental',
        unique_key=['ticker', 'price_date'],
        incremental_strategy='merge',
        on_schema_change='fail',
        indexes=[{'columns': ['ticker', 'price_date'], 'unique': true}, {'columns': ['price_date']}],
        post_hook="{{ delete_vanished(ref('int_price_changes'), ['ticker', 'price_date']) }}"
    )
}}

SELECT
    changes.ticker,
    changes.price_date,
    changes.open_price,
    changes.high_price,
    changes.low_price,
    changes.close_price,
    changes.adjusted_close_price,
    changes.volume,
    changes.daily_return,
    changes.log_return,
    changes.inputs_loaded_at
FROM {{ ref('int_price_changes') }} AS changes
{% if is_incremental() %}
WHERE {{ is_new_or_changed('changes', key, measures) }}
{% endif %}
