"""The HTML report in a browser: it loads nothing, no text of anybody becomes a part of it, it fits
a phone and a desk, and tells values under the pointer."""
import os
import pathlib
import signal
import subprocess

import browser
from load_rig import Failed, expect

SHOTS = os.environ.get("LEVEE_SHOTS")  # keep the pictures there

# Labels of an axis that run into each other; (a mark's name may lie over a line).
OVERLAPS = """(() => {
  const found = [];
  for (const svg of document.querySelectorAll('.plot svg')) {
    const texts = [...svg.querySelectorAll('.ticks text')].map((t) => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
      if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1)
        found.push(a + ' | ' + b);
    }));
  }
  return found;
})()"""
# Parts of the page that are wider than the page, scrolling tables apart.
WIDE = """[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, svg') &&
  e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((e) => e.tagName + '.' + e.className)"""
BROKEN = "[...document.querySelectorAll('svg path')].filter((p) => /NaN|inf/.test(p.getAttribute('d'))).length"


def look(page, path, width, dark=False):
    where = "%s, %d wide%s" % (path.name, width, ", dark" if dark else "")
    page.show(path.as_uri(), width, dark=dark)
    expect(not page.problems, "%s: %s", where, page.problems)
    asked = [url for url in page.requests if url != path.as_uri() and not url.startswith("data:")]
    expect(not asked, "%s asks for %s", where, asked)
    expect(page.ask("document.querySelectorAll('.plot svg').length") >= 3, "%s: too few plots", where)
    expect(page.ask(BROKEN) == 0, "%s: a line that cannot be drawn", where)
    wide = page.ask(WIDE)
    expect(not wide, "%s: wider than the page: %s", where, wide)
    expect(page.ask("document.documentElement.scrollWidth") <= width, "%s: scrolls sideways", where)
    overlaps = page.ask(OVERLAPS)
    expect(not overlaps, "%s: labels overlap: %s", where, overlaps)
    if SHOTS:
        page.picture(os.path.join(SHOTS, "%s-%d%s.png" % (path.stem, width, "-dark" if dark else "")))


def point_at_first_plot(page, path):
    page.show(path.as_uri(), 1200)
    box = page.ask("(() => { const r = document.querySelector('.plot svg').getBoundingClientRect();"
                   "return [r.left, r.top, r.width, r.height]; })()")
    page.point(box[0] + box[2] / 2, box[1] + box[3] / 2)
    told = page.ask("(document.querySelector('.tip') || {}).innerText")
    expect(told and "stored" in told and "intended" in told and "50,0" in told,
           "the pointer tells %r", told)
    if SHOTS:
        page.picture(os.path.join(SHOTS, "pointer.png"))
    page.point(2, 2)
    expect(page.ask("document.querySelector('.tip')") is None, "the tip stays")


def proof_report_in_a_browser(rig):
    if browser.find() is None:
        if rig.is_required:
            raise Failed("no Chromium: apt-get install chromium")
        print("skipped: no Chromium (apt-get install chromium)")
        return
    maker = pathlib.Path(rig.binary).resolve().parents[1] / "tests/load/sample_report"
    subprocess.run([maker, rig.directory], check=True, stdout=subprocess.DEVNULL)
    pages = sorted(rig.directory.glob("*.html"))
    expect(len(pages) == 6, "%d pages", len(pages))
    with browser.Browser() as page:
        for path in pages:
            for width in (360, 1200):
                look(page, path, width)
        look(page, rig.directory / "one.html", 1200, dark=True)
        point_at_first_plot(page, rig.directory / "one.html")
        page.show((rig.directory / "findings.html").as_uri(), 1200)
        expect(page.ask("document.querySelectorAll('img, main script, iframe').length") == 0,
               "a text has become a part of the page")
        expect("<script>alert(1)</script>" in page.ask("document.querySelector('h1').innerText"),
               "the text itself is not shown")


def proof_report_of_a_run(rig):
    """A real run's files: JSON that comes back, CSV, and the page, in one go."""
    json_file, html, csv = rig.path("run.json"), rig.path("run.html"), rig.path("run.csv")
    rig.json("e2e", "--rate", "2000", "--duration", "3s", "--warmup", "1s", "--verify", "--json",
             json_file, "--report", html, "--csv", csv)
    run = subprocess.run([rig.binary, "bench", "report", json_file, json_file, "--report",
                          rig.path("two.html")], capture_output=True, text=True, timeout=60)
    expect(run.returncode == 0, "levee bench report: %s", run.stderr)
    expect(len(pathlib.Path(csv).read_text().splitlines()) >= 3, "the CSV is short")
    if browser.find() is None:
        return
    with browser.Browser() as page:
        for name in ("run.html", "two.html"):
            look(page, pathlib.Path(rig.path(name)), 1200)
        expect("Exactly once" in page.ask("document.body.innerText"), "no verdict on the page")


def proof_compare_of_files(rig):
    """Runs that were kept are compared; the same run twice shows no difference."""
    files = [rig.path("run%d.json" % i) for i in range(2)]
    for name in files:
        rig.json("e2e", "--rate", "1000", "--duration", "2s", "--warmup", "0s", "--json", name)
    run = rig.bench_words("compare", ",".join(files), ",".join(files), "--report",
                          rig.path("compare.html"))
    expect(run.code == 0, "%s", run.told())
    expect(run.out.count("no difference shown") >= 4 and "better" not in run.out, "%s", run.told())
    run = rig.bench_words("compare", files[0], files[1], "--csv", rig.path("x.csv"))
    expect(run.code == 2 and "--csv" in run.err, "%s", run.told())
    run = rig.bench_words("compare", files[0], rig.path("none.json"))
    expect(run.code == 3 and "none.json" in run.err, "%s", run.told())
    run = rig.bench_words("compare", files[0], files[1], "--durability-b", "page cache")
    expect(run.code == 2 and "different moments" in run.err, "%s", run.told())
    run = rig.bench_words("compare", files[0], files[1], "--durability-b", "page cache",
                          "--different-durability")
    expect(run.code == 0, "%s", run.told())
    lines = [line for line in run.out.splitlines() if "B/A" in line]
    expect(lines and all("B page cache" in line for line in lines), "%s", run.told())
    other = rig.path("other.json")
    rig.json("e2e", "--rate", "300", "--size", "1000", "--duration", "2s", "--warmup", "0s", "--json",
             other)
    run = rig.bench_words("compare", files[0], other)
    expect(run.code == 2 and "different workloads" in run.err, "%s", run.told())
    run = rig.bench_words("compare", files[0], other, "--different-workload")
    expect(run.code == 0 and "different workloads: " in run.out, "%s", run.told())


def proof_compare_of_brokers(rig):
    """A broker against itself, in blocks: nothing is found that is not there."""
    run = rig.bench_words("compare", rig.bootstrap, rig.bootstrap, "--blocks", "1", "--rate", "1000",
                          "--duration", "1s", "--warmup", "0s", "--report", rig.path("self.html"),
                          "--format", "json")
    expect(run.code == 0, "%s", run.told())
    comparison = next(line for line in run.out.splitlines() if line.startswith("{"))
    expect('"blocks":1' in comparison and "B better" not in comparison and
           "B worse" not in comparison, "%s", run.told())


def proof_compare_is_ended_by_a_signal(rig):
    """Whole blocks are told; without one there is nothing to tell."""
    for until, code in (("block 2 of 3", 0), ("block 1 of 3", 1)):
        proc = subprocess.Popen([rig.binary, "bench", "compare", rig.bootstrap, rig.bootstrap,
                                 "--blocks", "3", "--rate", "500", "--duration", "1s", "--warmup",
                                 "0s"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        told = ""
        for line in proc.stderr:
            told += line
            if until in line:
                proc.send_signal(signal.SIGINT)
                break
        out, err = proc.communicate(timeout=60)
        expect(proc.returncode == code, "exit code %d: %s%s%s", proc.returncode, told, out, err)
        expect(("1 blocks A B B A" in out) == (code == 0), "%s%s", out, err)
        expect(code == 0 or "nothing to compare" in err, "%s", err)


proof_compare_of_brokers.any_broker = True
