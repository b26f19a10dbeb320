"""`rapport serve`: what the internet may reach. Imports no Airflow; its database role can do nothing else."""
