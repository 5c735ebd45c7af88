"""The threshold explorer: does it follow every control, and are its numbers correct?"""

import bisect
import json
import math

HOME, END, LEFT, RIGHT, UP, ENTER = ("Home", 36), ("End", 35), ("ArrowLeft", 37), ("ArrowRight", 39), ("ArrowUp", 38), ("Enter", 13)
READOUT = "Object.fromEntries([...document.querySelectorAll('.explorer [data-readout]')].map((e) => [e.dataset.readout, e.textContent]))"
VIEWS = """[...document.querySelectorAll('.explorer [data-view]')].map((view) => {
  const svg = view.querySelector('svg');
  return {kind: view.dataset.view, at: svg.querySelector('.cursor').getAttribute('transform'), x: svg.dataset.x, y: svg.dataset.y,
          curve: [...svg.querySelectorAll('polyline.value')].map((line) => line.getAttribute('points')).join(' ')};
})"""
TABLE = """[...document.querySelectorAll('table')].filter((table) => table.caption.textContent === %s)
  .map((table) => [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)))[0] || null"""


def there(tab):
    return tab.evaluate("document.querySelector('.explorer') !== null")


def hidden(tab):
    shown = "[...document.querySelectorAll('.explorer .controls')].some((e) => e.getClientRects().length > 0)"
    return not tab.evaluate(shown)


def readout(tab):
    return tab.evaluate(READOUT)


def table(tab, caption):
    return tab.evaluate(TABLE % json.dumps(caption))


def number(text):
    return float(text.replace(",", "").replace("−", "-").replace("%", ""))


def check(tab, checks, run=None):
    data = json.loads(tab.evaluate("document.getElementById('explorer-data').textContent"))
    last = len(data["steps"]) - 1
    index = "Number(document.getElementById('threshold').value)"
    truth = Truth(tab, data, run)

    checks.expect(not hidden(tab), "explorer: the controls stay hidden")
    before = readout(tab), [view["at"] for view in tab.evaluate(VIEWS)]
    start = tab.evaluate(index)
    tab.evaluate("document.getElementById('threshold').focus()")
    for key, wanted in [(RIGHT, start + 1), (LEFT, start), (HOME, 0), (END, last), (LEFT, last - 1)]:
        tab.key(*key)
        checks.expect(tab.evaluate(index) == wanted, f"explorer: {key[0]} leads to {tab.evaluate(index)}, not {wanted}")
        truth.compare(tab, checks, wanted)
    after = readout(tab), [view["at"] for view in tab.evaluate(VIEWS)]
    for name, text in before[0].items():
        checks.expect(text != after[0][name], f"explorer: {name} does not follow the slider")
    for one, other, kind in zip(before[1], after[1], ("distributions", "roc", "det")):
        checks.expect(one != other, f"explorer: {kind} does not follow the slider")
    checks.expect(len(after[1]) == 3, "explorer: expected three charts besides the counts")

    for point in sorted({round(i * last / 40) for i in range(41)}):
        tab.evaluate(
            f"(() => {{ const s = document.getElementById('threshold'); s.value = {point};"
            " s.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        truth.compare(tab, checks, point)

    field = "document.getElementById('cosine')"
    for wanted in (0.45, 0.5, 0.123, -3, 7):
        tab.evaluate(f"{field}.focus(), {field}.select()")
        tab.type(str(wanted))
        tab.key(*ENTER)
        tab.evaluate(f"{field}.blur()")
        found, within = float(tab.evaluate(f"{field}.value")), truth.nearest(wanted)
        checks.expect(abs(found - within) < 1e-4, f"explorer: typing {wanted} leads to {found}, not {within}")
        truth.compare(tab, checks, tab.evaluate(index))
    tab.evaluate(f"{field}.focus()")
    tab.key(*UP)
    checks.expect(tab.evaluate(index) == last, "explorer: the field goes beyond the last threshold")

    # The same text as the program writes.
    named = table(tab, "Numbers: named thresholds")
    buttons = "[...document.querySelectorAll('.explorer button')]"
    checks.expect(tab.evaluate(f"{buttons}.map((b) => b.textContent)") == [row[0] for row in named], "explorer: the buttons differ from the rows")
    columns = ("threshold", "true_accepts", "tar", "false_rejects", "fnmr", "false_accepts", "fmr", "one_in")
    for i, row in enumerate(named):
        tab.evaluate(f"{buttons}[{i}].click()")
        words = readout(tab)
        checks.expect([words[name] for name in columns] == row[1:], f"explorer: {row} is shown as {words}")
        pressed = tab.evaluate(f"{buttons}[{i}].getAttribute('aria-pressed')")
        checks.expect(pressed == "true", f"explorer: the button {row[0]} is not shown as pressed")
    # The operating points in the threshold table, which the program computes elsewhere.
    for row in table(tab, "Thresholds") or []:
        for words in named:
            if words[0] == f"FMR {row[0]}" and "≤" not in row[2]:
                # The rate is followed by its interval.
                checks.expect((words[1], words[7]) == (row[1], row[2].split("[")[0]), f"explorer: {words} against {row}")


class Truth:
    """The effect of a threshold, from tables that the explorer's script does not read."""

    def __init__(self, tab, data, run):
        self.data = data
        self.bins = [[number(cell) for cell in row] for row in table(tab, "Numbers: pairs by cosine")]
        self.counts = histograms(run) if run else None

    def threshold(self, point):
        return 2 * self.data["steps"][point] / self.data["bins"] - 1

    def nearest(self, value):
        thresholds = [self.threshold(point) for point in range(len(self.data["steps"]))]
        i = bisect.bisect(thresholds, value)
        return min(thresholds[max(0, i - 1) : i + 1], key=lambda threshold: abs(threshold - value))

    def compare(self, tab, checks, point):
        words, at = readout(tab), self.threshold(point)
        shown = {name: number(words[name]) for name in ("threshold", "true_accepts", "false_rejects", "false_accepts", "true_rejects")}
        where = f"explorer at {at:.5f}"
        checks.expect(abs(shown["threshold"] - at) < 1e-4, f"{where}: shows {words['threshold']}")
        for kind, column, accepts, rejects in ((0, 2, "true_accepts", "false_rejects"), (1, 3, "false_accepts", "true_rejects")):
            # Bin edges are written with four decimals.
            least = sum(row[column] for row in self.bins if row[0] > at + 1e-4)
            most = sum(row[column] for row in self.bins if row[1] > at - 1e-4)
            checks.expect(least <= shown[accepts] <= most, f"{where}: {accepts} {shown[accepts]} not in {least} … {most}")
            whole = sum(row[column] for row in self.bins)
            checks.expect(shown[accepts] + shown[rejects] == whole, f"{where}: {accepts} and {rejects} do not add up to all pairs")
            if self.counts:
                exact = sum(counts[kind] for lower, *counts in self.counts if lower >= at - 1e-9)
                checks.expect(shown[accepts] == exact, f"{where}: {accepts} {shown[accepts]}, histograms.parquet says {exact}")
        fmr = shown["false_accepts"] / (shown["false_accepts"] + shown["true_rejects"])
        fnmr = shown["false_rejects"] / (shown["true_accepts"] + shown["false_rejects"])
        for name, rate in (("fmr", fmr), ("fnmr", fnmr), ("tar", 1 - fnmr)):
            shown_rate, bounded = words[name], words[name][0] in "≤≥"
            unseen = rate in (0, 1) and not (name != "tar" and rate == 1)
            checks.expect(bounded == unseen, f"{where}: {name} {shown_rate} of {rate}")
            if not bounded:
                digit = 10 ** -len(shown_rate.rstrip("%").split(".")[1])
                checks.expect(abs(number(shown_rate) - 100 * rate) < 0.51 * digit, f"{where}: {name} {shown_rate} of {rate}")
        if fmr:
            about = number(words["one_in"].rsplit(" ", 1)[1])
            checks.expect(abs(about * fmr - 1) < 0.0051, f"{where}: {words['one_in']} of {fmr}")
        places = {"cosine": (at, None), "roc": (fmr, 100 * (1 - fnmr)), "det": (fmr, fnmr)}
        for view in tab.evaluate(VIEWS):
            x, y = (float(part) for part in view["at"][len("translate(") : -1].split(" "))
            across, up = places[view["kind"]]
            checks.expect(abs(x - place(view["x"], across)) < 0.2, f"{where}: {view['kind']} is at {view['at']}")
            if up is not None:
                checks.expect(abs(y - place(view["y"], up)) < 0.2, f"{where}: {view['kind']} is at {view['at']}")
                away = distance(view["curve"], x, y)
                checks.expect(away < 4, f"{where}: {view['kind']}'s ring is {away:.1f} away from the curve")


def place(axis, value):
    kind, *numbers = axis.split(" ")
    lower, upper, start, end = map(float, numbers)
    value = (math.log10(value) if value > 0 else -math.inf) if kind == "log" else value
    return start + (end - start) * min(1, max(0, (value - lower) / (upper - lower)))


def distance(polyline, x, y):
    """The distance from a point to a polyline."""
    points = [tuple(map(float, pair.split(","))) for pair in polyline.split()]
    best = math.inf
    for (ax, ay), (bx, by) in zip(points, points[1:]):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        share = min(1, max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) if length else 0
        best = min(best, math.hypot(ax + share * (bx - ax) - x, ay + share * (by - ay) - y))
    return best


def histograms(run):
    """The lower edge and both counts of each bin; None without pyarrow."""
    try:
        from pyarrow import parquet
    except ImportError:
        print("  histograms.parquet: SKIPPED, no pyarrow")
        return None
    columns = parquet.read_table(run / "histograms.parquet").to_pydict()
    return list(zip(columns["lower"], columns["genuine"], columns["impostor"]))
