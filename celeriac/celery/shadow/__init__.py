"""The shadow: plain tasks run as before, and rows say beside what a job would have been spared."""
