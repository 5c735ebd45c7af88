#!/usr/bin/env python3
"""Opens report, comparison, ablation, throughput and runs pages in a real Chromium and checks what readers rely on.

    tests/browser/check.py [--axe axe.min.js] [--run experiments/RUN] [--pictures FOLDER] PAGE…

Every page: below 5 MB, no console messages, no requests except for itself; light and dark; no horizontal scrolling on a
phone; prints; complete with scripts disabled. Run reports: the threshold explorer follows keyboard, field and buttons in
all four views, with counts that agree with the page's own tables, which the program writes rather than the script, and with
`histograms.parquet` if `--run` names the run directory and pyarrow is installed; findings and terms lead somewhere; no
longer than 9,000 pixels before anything is unfolded, up to 1,000 faces without pictures; on a phone, figures and the threshold table
are not cut. The page of runs: headings sort, the field filters, ticks make a command. With axe-core: no violations of WCAG 2
A or AA.

Needs Python 3.8 and Chromium (or its path in CHROMIUM). Exit codes: 0 all checks pass, 1 a check failed, 77 no Chromium.
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
LONGEST = 9_000
WIDE, PHONE = (1280, 900, False), (390, 844, True)
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Checks:
    """Counts passed and failed checks and prints the failed ones."""

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
    """No console messages and no requests except for the page itself."""
    for event in tab.events():
        what, of = event["method"], event["params"]
        if what == "Network.requestWillBeSent":
            url = of["request"]["url"]
            checks.expect(url == address or url.startswith("data:"), f"{when}: requests {url[:200]}")
        elif what == "Log.entryAdded":
            checks.expect(False, f"{when}: console message {of['entry']['text'][:300]}")
        elif what == "Runtime.exceptionThrown":
            details = of["exceptionDetails"]
            checks.expect(False, f"{when}: {details.get('exception', {}).get('description', details['text'])[:300]}")
        elif what == "Runtime.consoleAPICalled":
            checks.expect(False, f"{when}: the page writes to the console")


def accessible(tab, checks, axe, when):
    """Changes the page: opens all details and removes the dots and lines of drawings, which have no accessible content and
    take axe-core minutes."""
    tab.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    tab.evaluate("document.querySelectorAll('svg[role=img] :not(text, g)').forEach((shape) => shape.remove())")
    tab.evaluate(axe + "; 0")
    options = json.dumps({"runOnly": AXE_RULES, "resultTypes": ["violations"]})
    found = tab.evaluate(
        f"axe.run(document, {options}).then((all) => all.violations.map(({{id, help, nodes}}) =>"
        " ({id, help, n: nodes.length, where: nodes.slice(0, 3).map((node) => node.html.slice(0, 200))})))"
    )
    checks.expect(not found, f"{when}: axe-core reports {json.dumps(found, indent=1)}")


def links(tab, checks):
    """Every link within the page has a target."""
    dead = tab.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id))")
    checks.expect(not dead, f"links without a target: {dead}")


def report(tab, checks):
    """The head and the length of a run report."""
    findings = tab.evaluate("document.querySelectorAll('.findings li').length")
    checks.expect(1 <= findings <= 6, f"{findings} findings")
    height = tab.evaluate("document.documentElement.scrollHeight")
    pictures = tab.evaluate("document.querySelector('td img') !== null")
    tiles = "[...document.querySelectorAll('.tiles > div')].filter((tile) => tile.querySelector('dt').textContent === 'Faces embedded')"
    faces = int(tab.evaluate(f"{tiles}[0].querySelector('strong').textContent").replace(",", ""))
    checks.expect(pictures or faces > 1_000 or height <= LONGEST, f"{height} pixels long")


def uncut(tab, checks):
    """On a phone, what is not folded and has to be seen whole."""
    cut = tab.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((box) => box.offsetParent && box.scrollWidth > box.clientWidth + 1)"
        ".filter((box) => box.querySelector(':scope > svg:not(.rows)') || box.querySelector('caption')?.textContent === 'Thresholds')"
        ".map((box) => box.getAttribute('aria-label'))"
    )
    checks.expect(not cut, f"phone: cut: {cut}")


def tables(tab, checks):
    """A table of runs is sorted by each heading, its rows are filtered, and ticked runs make the command that compares them."""
    sorted_right = tab.evaluate(
        """[...document.querySelectorAll('table[data-sortable]')].every((table) =>
          [...table.tHead.rows[0].cells].every((heading, column) => ['ascending', 'descending'].every((way) => {
            heading.querySelector('button').click();
            const keys = [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.key);
            const known = keys.filter((key) => key !== '');
            const number = heading.classList.contains('number');
            const order = (a, b) => (number ? a - b : a.localeCompare(b)) * (way === 'ascending' ? 1 : -1);
            const last = keys.slice(known.length).every((key) => key === '');
            return last && heading.getAttribute('aria-sort') === way && known.every((key, i) => i === 0 || order(known[i - 1], key) <= 0);
          })))"""
    )
    checks.expect(sorted_right, "a heading does not sort its table")
    filtered = tab.evaluate(
        """(() => {
          const field = document.querySelector('.controls input[type=search]');
          const rows = [...document.querySelectorAll('table[data-sortable] tbody tr')];
          const type = (text) => { field.value = text; field.dispatchEvent(new Event('input')); };
          type('no run has this');
          const none = rows.every((row) => row.hidden);
          type('');
          return none && rows.every((row) => !row.hidden);
        })()"""
    )
    checks.expect(filtered, "the field does not filter rows")
    boxes = "document.querySelectorAll('tr[data-run] input')"
    if tab.evaluate(f"{boxes}.length") >= 2:
        tab.evaluate(f"{boxes}[1].click(); {boxes}[0].click();")
        names = "[1, 0].map((i) => document.querySelectorAll('tr[data-run]')[i].dataset.run).join(' ')"
        command = "document.querySelector('[data-compare] code').textContent"
        checks.expect(tab.evaluate(f"{command} === 'facevault compare ' + {names}"), "ticked runs do not make the command")


def printed(tab, checks):
    look(tab, media="print")
    for hidden in (".controls", "nav"):
        shown = f"[...document.querySelectorAll('{hidden}')].some((e) => getComputedStyle(e).display !== 'none')"
        checks.expect(not tab.evaluate(shown), f"print: {hidden} is printed, where it has no use")
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
    still = explorer.readout(tab)
    text = tab.evaluate("document.querySelector('main').innerText.length")
    checks.expect(not explorer.there(tab) or explorer.hidden(tab), "without script: inactive controls are visible")
    keep("no-script")
    tab.call("Emulation.setScriptExecutionDisabled", value=False)

    loads = []
    for _ in range(5):
        tab.open(address)
        quiet(tab, checks, address, "light")
        loads.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    checks.expect(text > 0.9 * tab.evaluate("document.querySelector('main').innerText.length"), "without script: text is missing")
    keep("light")
    links(tab, checks)
    if tab.evaluate("document.querySelector('.findings') !== null"):
        report(tab, checks)
    if explorer.there(tab):
        checks.expect(still == explorer.readout(tab), "without script: the readout differs from that with the script")
        explorer.check(tab, checks, run)
        quiet(tab, checks, address, "explorer")
    if tab.evaluate("document.querySelector('table[data-sortable]') !== null"):
        tables(tab, checks)
        quiet(tab, checks, address, "tables")
        tab.open(address)
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
    checks.expect(tab.evaluate(dark), "dark: the background is light")
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
            uncut(tab, checks)
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
        print("SKIPPED: Chromium not found; install it (Debian: apt-get install chromium) or set CHROMIUM to its path")
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
    print(f"{checks.passed} checks passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
