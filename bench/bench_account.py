"""What --verify costs: ./dev bench account."""
import re
import subprocess

PERCENT_MAX = 5


def account(args, report):
    """What --verify costs: a percent of a core for a million records a second is 10 ns a record."""
    command = [str(args.build / "bench" / "bench_account")] + (["1000000"] if args.quick else [])
    report.section("account: stamps and exactly-once account", " ".join(command))
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-500:])
    for line in done.stdout.splitlines():
        found = re.match(r"(.*?) +([\d.]+) ns a record = ([\d.]+) %", line)
        percent = float(found[3])
        report.figure(found[1], percent, "%", "<= %d" % PERCENT_MAX, percent <= PERCENT_MAX,
                      "%s ns a record" % found[2])
