"""What contracts say of the pipelines that load their tables; `operators` makes Airflow's Dags of it."""
