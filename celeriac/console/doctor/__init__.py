"""`manage.py doctor`: looks at every part, and says what to do."""
