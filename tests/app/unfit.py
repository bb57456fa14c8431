"""A module of an installed app that can not be imported everywhere."""

raise RuntimeError("this module is for a command of its own")
