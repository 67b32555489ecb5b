"""What the end-to-end tests share; conftest.py makes fixtures of it."""
