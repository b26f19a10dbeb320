"""The pages in Airflow. With the DAGs and the plugin the only place that imports Airflow."""
