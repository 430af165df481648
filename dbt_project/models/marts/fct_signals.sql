{%- set attributes = [
    'strategy_id', 'ticker', 'signal_date', 'action', 'strength', 'decision_id', 'signal_close_price',
    'next_daily_return'
] -%}
{{
    config(
        materialized='incremental',
        unique_key='signal_id',
        incremental_strategy='merge',
        on_schema_change='fail',
        indexes=[{'columns': ['signal_id'], 'unique': true}, {'columns': ['strategy_id', 'signal_date']}],
        post_hook="{{ delete_vanished(ref('int_signal_outcomes'), ['signal_id']) }}"
    )
}}

SELECT
    outcomes.signal_id,
    outcomes.strategy_id,
    outcomes.ticker,
    outcomes.signal_date,
    outcomes.action,
    outcomes.strength,
    outcomes.decision_id,
    outcomes.signal_close_price,
    outcomes.next_daily_return
FROM {{ ref('int_signal_outcomes') }} AS outcomes
{% if is_incremental() %}
WHERE {{ is_new_or_changed('outcomes', ['signal_id'], attributes) }}
{% endif %}
