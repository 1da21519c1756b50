"""`azr report`: what a run was, as one HTML page that needs no network.

story.py gathers, charts.py draws with Vega-Lite, page.py puts the page together from page.html and style.css.
"""
