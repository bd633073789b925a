#!/usr/bin/env python3
"""Holds the licence and the source of every package in Cargo.lock against deny.toml.

It covers the two parts of `cargo deny check` that decide whether a package may be used at all, in a second and
without a network; building cargo-deny takes longer than all the rest of `.ci/run` together.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    policy = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(policy["licenses"]["allow"])
    packages = [package for package in metadata()["packages"] if package["source"]]
    faults = []
    used = set()
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["source"].endswith("/crates.io-index"):
            faults.append(f"{name}: comes from {package['source']}, not from crates.io")
        licence = package["license"]
        if not licence:
            faults.append(f"{name}: names no licence")
            continue
        chosen = satisfied_by(licence, allowed)
        if chosen is None:
            faults.append(f"{name}: its licence `{licence}` is not allowed by deny.toml")
        else:
            used |= chosen
    for name, count in sorted(Counter(package["name"] for package in packages).items()):
        if count > 1:
            print(f"note: {count} versions of {name}")
    for licence in sorted(allowed - used):
        print(f"note: no package needs `{licence}`, which deny.toml allows")
    for fault in faults:
        print(f"error: {fault}")
    print(f"{len(packages)} packages, {len(faults)} faults")
    return 1 if faults else 0


def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def satisfied_by(expression, allowed):
    """The allowed licences that satisfy an SPDX expression, or None. `/` is the old way to write `OR`."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        found = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            other = both()
            found = other if found is None else found
        return found

    def both():
        found = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = one()
            found = None if found is None or other is None else found | other
        return found

    def one():
        token = tokens.pop(0)
        if token == "(":
            found = either()
            if tokens.pop(0) != ")":
                raise ValueError(f"not an SPDX expression: {expression}")
            return found
        if tokens and tokens[0] == "WITH":
            token = " ".join([token, tokens.pop(0), tokens.pop(0)])
        return {token} if token in allowed else None

    found = either()
    if tokens:
        raise ValueError(f"not an SPDX expression: {expression}")
    return found


if __name__ == "__main__":
    sys.exit(main())
