"""`hilum app` in a browser: how soon it is up, what a film with its Grad-CAM takes, and its memory over many films.

Run: python benchmarks/reading_room.py [--backbone mobilenetv2] [--size 224] [--films 200] [--side 1500]

A network with random weights is served to a headless Chromium, which pages through a folder of films of noise by the key `n`.
Prints a table in Markdown: seconds from the command until TensorFlow is loaded, from there until the page can be used, per film
(key to drawn page: median and 95th percentile), the server's processor time per film, and its memory after some films.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from hilum.models.classifier import build_classifier, save_classifier

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300.0  # seconds
WARM = 5  # films before the times count: the first compiles the network
DRAWN = """(told) => document.querySelector(".stApp")?.dataset.testScriptState === "notRunning"
  && document.body.innerText.includes(told) && document.querySelector('img[alt^="Grad-CAM"]')?.complete"""
CALL = """
import sys, time
from pathlib import Path
from hilum.cli import main
import tensorflow
Path(sys.argv.pop(1)).write_text(str(time.time()))
sys.exit(main())
"""


def main() -> None:
    """Serve, page through and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--side", type=int, default=1500, help="pixels of a film's side")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_project(place, asked.backbone, asked.size)
        write_films(place / "films", asked.films, asked.side)
        times = page_through(place, asked.films)
    print("| what | value |\n|---|---|")
    for what, value in times.items():
        print(f"| {what} | {value} |")


def write_project(place: Path, backbone: str, size: int) -> None:
    """The settings of this project, and a network with random weights."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place / name)
    network = build_classifier(backbone, size, 3, None, 0.0, 0.0, np.log(np.full(3, 1 / 3)), 1)
    save_classifier(network, place / "model.keras")
    facts = {"classes": ["a", "b", "c"], "size": size, "square": "pad", "threshold": None}
    (place / "model.json").write_text(json.dumps(facts))


def write_films(folder: Path, count: int, side: int) -> None:
    """PNG films of noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:03d}.png", compress_level=1)


def page_through(place: Path, films: int) -> dict[str, str]:
    """Start the app, open every film, and measure."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["app", "--model", "model.keras", "--films", "films", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    begun = time.time()
    with (place / "log.txt").open("wb") as log:
        command = [sys.executable, "-c", CALL, str(place / "loaded"), *options]
        server = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        answered = time.time()
        with sync_playwright() as playwright:
            program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1500, "height": 1000})
            opened = time.time()
            page.goto(f"http://127.0.0.1:{port}")
            page.locator("section.stSidebar").wait_for(timeout=PATIENCE * 1000)
            usable = time.time() - opened
            seconds, held, spent = read_films(page, films, server.pid)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    loaded = float((place / "loaded").read_text())
    further = seconds[WARM:]
    middle, slow = statistics.median(further), statistics.quantiles(further, n=20)[-1]
    return {
        "TensorFlow loaded after": f"{loaded - begun:.1f} s",
        "from there until the page can be used": f"{answered - loaded + usable:.1f} s",
        "first film, model opened and compiled": f"{seconds[0]:.1f} s",
        f"further films with Grad-CAM, {len(further)}": f"median {middle:.2f} s, 95 % {slow:.2f} s",
        "processor time of the server for each of them": f"{spent:.2f} s",
        "memory of the server": ", ".join(f"{megabytes} MB after {number}" for number, megabytes in held.items()),
    }


def read_films(page: Page, films: int, server: int) -> tuple[list[float], dict[int, int], float]:
    """Seconds of each film until its page is drawn, megabytes of the server after some, its processor seconds per film."""
    seconds, held, before = [], {}, 0.0
    for number in range(1, films + 1):
        begun = time.perf_counter()
        if number > 1:
            page.keyboard.press("n")
        page.wait_for_function(DRAWN, arg=f"{number - 1:03d}.png: PNG", timeout=PATIENCE * 1000)
        seconds.append(time.perf_counter() - begun)
        if number == WARM:
            before = processor_seconds(server)
        if number in (10, 50, 100, 150, films):
            pages = int(Path(f"/proc/{server}/statm").read_text().split()[1])
            held[number] = round(pages * os.sysconf("SC_PAGESIZE") / 1e6)
    return seconds, held, (processor_seconds(server) - before) / (films - WARM)


def processor_seconds(process: int) -> float:
    """Of all its threads so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(url: str) -> None:
    """Until the server answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"{url} did not answer within {PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
