"""Pages in a real headless browser: how one is opened, and the contrast of its text. conftest.py has the browser."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")


def opened(browser: BrowserContext, file: Path, width: int = 1280, dark: bool = False) -> tuple[Page, list[str]]:
    """The page with every plot drawn, and what went wrong or over the network on the way."""
    page, trouble = browser.new_page(), []
    page.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda sent: None if sent.url == file.as_uri() else trouble.append(sent.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-plots=drawn]", state="attached", timeout=60_000)
    return page, trouble


CONTRAST = """() => {
  // Every piece of text below 4.5 : 1 against what lies behind it (WCAG 2.1, success criterion 1.4.3).
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = colour => colour.match(/[0-9.]+/g).map(Number);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || element.closest('script, style, svg')) continue;
    const [front, back] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) faint.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...faint];
}"""
