"""The kinds of this platform: each module is named in CELERIAC["MODULES"]."""
