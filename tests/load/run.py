#!/usr/bin/env python3
"""The proofs of `levee bench` (./dev test --only load): each function proof_* of the files
proof_*.py beside this one, against a broker of its own.

    run.py --levee PATH                     levee as the broker, too
    run.py --levee PATH --against kafka     Apache Kafka as the broker
    run.py --levee PATH --only stall,words  those whose name has one of these in it
    run.py --levee PATH --against kafka --share    every third: what CI has time for
"""
import argparse
import importlib
import pathlib
import shutil
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import load_rig  # noqa: E402
from load_rig import broker_process  # noqa: E402


def proofs(only):
    for path in sorted(pathlib.Path(__file__).resolve().parent.glob("proof_*.py")):
        module = importlib.import_module(path.stem)
        for name in sorted(vars(module)):
            if name.startswith("proof_") and callable(getattr(module, name)):
                if not only or any(word in name for word in only):
                    yield name, getattr(module, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levee", required=True, metavar="PATH")
    parser.add_argument("--against", choices=("levee", "kafka"), default="levee")
    parser.add_argument("--only", default="")
    parser.add_argument("--share", action="store_true", help="every third of the proofs")
    parser.add_argument("--require", action="store_true", help="nothing is skipped; for CI")
    args = parser.parse_args()
    failed = 0
    if args.against == "levee":  # new groups begin at once
        broker = broker_process.Levee(args.levee, ["group.initial.rebalance.delay.ms=0"])
    else:
        broker = broker_process.Kafka()
    try:
        try:
            broker.start()
        except (load_rig.broker_process.kafka_rig.RigError, OSError) as problem:
            print("%s does not start: %s" % (args.against, problem))
            return 1 if args.require or args.against == "levee" else 0
        chosen = [(name, proof) for name, proof in
                  proofs([word for word in args.only.split(",") if word])
                  if args.against == "levee" or getattr(proof, "any_broker", False)]
        if args.share:
            print("every third of %d proofs" % len(chosen))
            chosen = chosen[::3]
        for name, proof in chosen:
            rig = load_rig.Rig(args.levee, broker, args.require)
            began = time.monotonic()
            try:
                proof(rig)
                print("%-48s ok    %5.1f s" % (name, time.monotonic() - began), flush=True)
            except Exception as problem:  # a broken proof is one that failed
                failed += 1
                if not isinstance(problem, load_rig.Failed):
                    problem = traceback.format_exc()
                print("%-48s FAILED %4.1f s\n%s" % (name, time.monotonic() - began, problem),
                      flush=True)
            finally:
                shutil.rmtree(rig.directory, ignore_errors=True)
    finally:
        broker.remove()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
