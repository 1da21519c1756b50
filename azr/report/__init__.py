"""`azr report`: what a run was, as one HTML page that needs no network.

story.py gathers (given.py and benchmarks.py what was known before and after), charts.py, bars.py and side_by_side.py
draw with Vega-Lite, tables.py makes tables of words, and page.py puts the page together from page.html and style.css.
"""
