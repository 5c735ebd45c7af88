#!/usr/bin/env python3
"""Opens pages of `facevault report`, `compare`, `ablate` or `throughput` in a real Chromium and checks what readers rely on.

    tests/browser/check.py [--axe axe.min.js] [--run experiments/RUN] [--pictures FOLDER] PAGE…

Every page: below 5 MB, no console message, no request except for itself, light and dark, no horizontal scrolling on a phone,
prints, complete with scripts switched off. A report: its threshold explorer follows keyboard, field and buttons in all four
views, and its counts agree with the page's own tables, which facevault wrote and the script did not, and with
`histograms.parquet` if `--run` names the run and pyarrow is installed. With axe-core: no violation of WCAG 2 A or AA.

Needs Python 3.8 and Chromium (or its path in CHROMIUM). Exit codes: 0 all checks hold, 1 a check failed, 77 no Chromium.
"""

import argparse
import base64
import json
import os
import pathlib
import statistics
import sys

import devtools
import explorer

LARGEST = 5_000_000
WIDE, PHONE = (1280, 900, False), (390, 844, True)
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Checks:
    """Counts the checks that hold and prints those that do not."""

    def __init__(self):
        self.page, self.passed, self.failed = "", 0, 0

    def expect(self, holds, text):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"  FAILED {self.page}: {text}")


def look(tab, size=WIDE, scheme="light", media=""):
    width, height, mobile = size
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tab.call("Emulation.setEmulatedMedia", media=media, features=features)


def quiet(tab, checks, address, when):
    """No console message, and no request except for the page itself."""
    for event in tab.events():
        what, of = event["method"], event["params"]
        if what == "Network.requestWillBeSent":
            url = of["request"]["url"]
            checks.expect(url == address or url.startswith("data:"), f"{when}: asks for {url[:200]}")
        elif what == "Log.entryAdded":
            checks.expect(False, f"{when}: the console says {of['entry']['text'][:300]}")
        elif what == "Runtime.exceptionThrown":
            details = of["exceptionDetails"]
            checks.expect(False, f"{when}: {details.get('exception', {}).get('description', details['text'])[:300]}")
        elif what == "Runtime.consoleAPICalled":
            checks.expect(False, f"{when}: the console is written to")


def accessible(tab, checks, axe, when):
    """Leaves the page changed: everything unfolded, and drawings without their thousands of dots and lines, which have
    no content of their own and cost axe-core minutes."""
    tab.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    tab.evaluate("document.querySelectorAll('svg[role=img] :not(text, g)').forEach((shape) => shape.remove())")
    tab.evaluate(axe + "; 0")
    options = json.dumps({"runOnly": AXE_RULES, "resultTypes": ["violations"]})
    found = tab.evaluate(
        f"axe.run(document, {options}).then((all) => all.violations.map(({{id, help, nodes}}) =>"
        " ({id, help, n: nodes.length, where: nodes.slice(0, 3).map((node) => node.html.slice(0, 200))})))"
    )
    checks.expect(not found, f"{when}: axe-core finds {json.dumps(found, indent=1)}")


def printed(tab, checks):
    look(tab, media="print")
    for hidden in (".controls", "nav"):
        shown = f"[...document.querySelectorAll('{hidden}')].some((e) => getComputedStyle(e).display !== 'none')"
        checks.expect(not tab.evaluate(shown), f"print: {hidden} is on paper, where it does nothing")
    look(tab)
    pdf = base64.b64decode(tab.call("Page.printToPDF", printBackground=True)["data"])
    checks.expect(pdf.startswith(b"%PDF-") and len(pdf) > 10_000, f"print: a PDF of {len(pdf)} bytes")
    return pdf


def check(tab, path, axe, run, pictures, checks):
    address, size = path.resolve().as_uri(), path.stat().st_size
    checks.page = path.name
    checks.expect(size < LARGEST, f"{size} bytes")
    keep = (lambda name: tab.screenshot(pictures / f"{path.stem}-{name}.png")) if pictures else lambda name: None

    look(tab)
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(address)
    quiet(tab, checks, address, "without script")
    still = explorer.said(tab)
    text = tab.evaluate("document.querySelector('main').innerText.length")
    checks.expect(not explorer.there(tab) or explorer.hidden(tab), "without script: controls that do nothing are shown")
    keep("no-script")
    tab.call("Emulation.setScriptExecutionDisabled", value=False)

    loads = []
    for _ in range(5):
        tab.open(address)
        quiet(tab, checks, address, "light")
        loads.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    checks.expect(text > 0.9 * tab.evaluate("document.querySelector('main').innerText.length"), "without script: text is missing")
    keep("light")
    if explorer.there(tab):
        checks.expect(still == explorer.said(tab), "without script: other words than with it")
        explorer.check(tab, checks, run)
        quiet(tab, checks, address, "explorer")
    if axe:
        accessible(tab, checks, axe, "light")
        tab.open(address)
    pdf = printed(tab, checks)
    if pictures:
        (pictures / f"{path.stem}.pdf").write_bytes(pdf)

    look(tab, scheme="dark")
    tab.open(address)
    quiet(tab, checks, address, "dark")
    dark = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every((part) => part < 64)"
    checks.expect(tab.evaluate(dark), "dark: the paper is light")
    keep("dark")
    if axe:
        accessible(tab, checks, axe, "dark")

    look(tab, size=PHONE)
    tab.open(address)
    for state in ("false", "true"):
        tab.evaluate(f"document.querySelectorAll('details').forEach((details) => {{ details.open = {state}; }})")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        checks.expect(wide <= PHONE[0], f"phone: {wide} pixels wide with details open = {state}")
        if state == "false":
            keep("phone")
    if axe:
        accessible(tab, checks, axe, "phone")
    print(f"  {path.name}: {size:,} bytes, load event after {statistics.median(loads):.0f} ms (median of {len(loads)})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="+", type=pathlib.Path, metavar="PAGE")
    parser.add_argument("--axe", type=pathlib.Path, default=os.environ.get("AXE"), help="path of axe.min.js (default: $AXE)")
    parser.add_argument("--run", type=pathlib.Path, help="run directory of the (one) report")
    parser.add_argument("--pictures", type=pathlib.Path, help="folder for screenshots and PDF")
    options = parser.parse_args()
    program = devtools.find()
    if not program:
        print("SKIPPED: no Chromium; install it (Debian: apt-get install chromium) or set CHROMIUM to its path")
        return 77
    axe = pathlib.Path(options.axe).read_text(encoding="utf-8") if options.axe else None
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    checks = Checks()
    with devtools.Browser(program) as browser:
        print(browser.call("Browser.getVersion")["product"])
        for path in options.pages:
            tab = browser.tab()
            check(tab, path, axe, options.run, options.pictures, checks)
            tab.close()
    print("accessibility: checked with axe-core" if axe else "accessibility: SKIPPED, no axe.min.js given (--axe or AXE)")
    print(f"{checks.passed} checks hold, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
