"""Minute roll-ups: what the charts are drawn from, at no cost to the jobs themselves."""
