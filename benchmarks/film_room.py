"""Size and speed of the film room in headless Chromium: 10 and 50 runs, 200 films, 3 methods, all synthetic.

    python benchmarks/film_room.py [--runs 10 50] [--films 200] [--chromium /usr/bin/chromium]

Prints, for each number of runs: the page's size; the seconds from opening until films can be filtered and scrolled, and until the
last chart is drawn; the milliseconds of the slowest of each action. An action is timed in the page, from its event until the
next frame was drawn; in brackets the processor time of the page's main thread, which other work on the machine does not lengthen.
Limits: 30 MB, 2 s, 100 ms.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from compared_runs import make_page

from hilum.pages.comparison import render_comparison

QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
TIMED = """(act) => new Promise((done) => {
  const start = performance.now();
  new Function(act)();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""
GRID = "document.getElementById('room-grid')"
ACTIONS = {
    "scroll down": [f"{GRID}.scrollTop = {GRID}.scrollHeight * {share}" for share in (0.2, 0.5, 0.51, 0.9, 0)],
    "scroll right": [f"{GRID}.scrollLeft = {GRID}.scrollWidth * {share}" for share in (0.3, 0.31, 0.8, 0)],
    "filter": [
        f"const list = document.getElementById('room-filter'); list.value = '{word}'; list.dispatchEvent(new Event('change'))"
        for word in ("changed", "wrong", "errors", "all")
    ],
    "sort": [
        f"const list = document.getElementById('room-sort'); list.value = '{word}'; list.dispatchEvent(new Event('change'))"
        for word in ("error", "probability", "label", "apart")
    ],
    "search": [
        f"const box = document.getElementById('room-search'); box.value = '{text}'; box.dispatchEvent(new Event('input'))"
        for text in ("17", "")
    ],
    "opacity": [
        f"const bar = document.getElementById('room-opacity'); bar.value = {value}; bar.dispatchEvent(new Event('input'))"
        for value in (20, 60, 80)
    ],
    "next film": ["dispatchEvent(new KeyboardEvent('keydown', {key: 'j'}))"] * 4,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--side", type=int, default=224, help="pixels of a film")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--keep", type=Path, default=None, help="folder to keep the pages in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = chosen.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for count in chosen.runs:
            start = time.perf_counter()
            films = [f"source/film-{i:03d}" for i in range(chosen.films)]
            page = make_page([f"run {i:02d}" for i in range(count)], films, place, chosen.side)
            file = place / f"film_room_{count}.html"
            file.write_text(render_comparison(page))
            print(f"{count} runs, {chosen.films} films, 3 methods: {file.stat().st_size / 1e6:.1f} MB,", end=" ")
            print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
            for name, value in measure(file, chosen.chromium).items():
                print(f"  {name}: {value}", flush=True)


def measure(file: Path, chromium: str) -> dict[str, Any]:
    """What a reader waits for: seconds to open, milliseconds of actions."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto("about:blank")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        page.goto(file.resolve().as_uri(), wait_until="commit")
        page.wait_for_selector("body[data-ready]")
        found: dict[str, Any] = {"usable after": f"{float(page.evaluate('document.body.dataset.ready')) / 1000:.2f} s"}
        page.wait_for_function("[...document.querySelectorAll('.chart')].every((one) => one.dataset.drawn)", timeout=120_000)
        found["work of the main thread until then"] = f"{thread_time(devtools) / 1000:.2f} s"
        found["charts after"] = f"{page.evaluate('performance.now()') / 1000:.2f} s"
        page.evaluate("document.getElementById('films').scrollIntoView({behavior: 'instant'})")
        page.wait_for_timeout(500)
        for name, acts in ACTIONS.items():
            waited, worked = zip(*(time_action(page, devtools, act) for act in acts), strict=True)
            found[name] = f"{max(waited):.0f} ms ({max(worked):.0f} ms) at most of {len(acts)}"
        browser.close()
    return found


def time_action(page: Page, devtools: CDPSession, act: str) -> tuple[float, float]:
    """Milliseconds that one action took, and of the main thread's processor time."""
    before = thread_time(devtools)
    waited = float(page.evaluate(TIMED, act))
    return waited, thread_time(devtools) - before


def thread_time(devtools: CDPSession) -> float:
    """Milliseconds that the page's main thread has worked."""
    metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    return 1000 * float(metrics["ThreadTime"])


if __name__ == "__main__":
    main()
