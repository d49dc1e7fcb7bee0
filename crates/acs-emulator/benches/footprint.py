"""Measures the size of the program and its packages, and the time to its ready line, side by side with
Azurite's.

    cargo build --profile dist -p acs-emulator --features cli
    cargo xtask test                 # installs maturin, npm's packages and Azurite below target/
    python3 crates/acs-emulator/benches/footprint.py
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CRATE = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CRATE.parent.parent / "target"))
PACKAGES = TARGET / "test-packages"


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


def time_to_line(command, text, runs):
    """The median time from the start of a program until it prints `text`, in milliseconds."""
    times = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, text=True
            )
            watchdog = threading.Timer(60, process.kill)
            watchdog.start()
            for line in process.stdout:
                if text in line:
                    times.append(time.perf_counter() - started)
                    break
            else:
                sys.exit(f"{command[0]} has ended without `{text}`")
            watchdog.cancel()
            process.terminate()
            process.wait()
            process.stdout.close()
    return f"{statistics.median(times) * 1000:.0f} ms"


def wheel(program, folder):
    """The size of the wheel. maturin packs the program without compiling it again."""
    python = PACKAGES / "python/bin/python"
    cargo = folder / "cargo"
    stand_in = (CRATE / "tests/conformance/built_cargo.py").read_text()
    cargo.write_text(f"#!{python}\n{stand_in}")
    cargo.chmod(0o755)
    subprocess.run(
        [PACKAGES / "python/bin/maturin", "build", "--quiet", "--offline", "--compatibility", "linux", "--out", folder],
        cwd=CRATE / "python",
        env={**os.environ, "CARGO": str(cargo), "BUILT_PROGRAM": str(program)},
        check=True,
    )
    return next(folder.glob("*.whl")).stat().st_size


def npm(program, folder):
    """The size of both npm packages."""
    output = subprocess.check_output(["node", CRATE / "npm/pack.mjs", program, folder], text=True)
    return sum(Path(line).stat().st_size for line in output.split())


def azurite():
    """The size of Azurite with its dependencies, as they are installed."""
    listed = subprocess.run(
        ["node", "-e", CLOSURE, PACKAGES / "node"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    folders = set(listed.split("\n")) - {""}
    size = 0
    for folder in folders:
        for root, names, files in os.walk(folder):
            # Nested packages are listed on their own.
            names[:] = [name for name in names if name != "node_modules"]
            size += sum(os.lstat(os.path.join(root, file)).st_size for file in files)
    return size


# Lists the folders of Azurite and of all that it depends on.
CLOSURE = """
const fs = require("node:fs"), path = require("node:path");
const seen = new Set();
function visit(name, from) {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const found = path.join(folder, "node_modules", name);
    if (fs.existsSync(path.join(found, "package.json"))) {
      if (seen.has(found)) return;
      seen.add(found);
      const { dependencies = {} } = JSON.parse(fs.readFileSync(path.join(found, "package.json")));
      for (const one of Object.keys(dependencies)) visit(one, found);
      return;
    }
    if (folder === path.dirname(folder)) return;
  }
}
visit("azurite", process.argv[1]);
console.log([...seen].join("\\n"));
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=TARGET / "dist/acs-emulator")
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    program = options.program.resolve()
    if not program.is_file():
        sys.exit(f"{program} does not exist; build it first")
    free = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = [
            ("program", megabytes(program.stat().st_size)),
            ("wheel", megabytes(wheel(program, folder))),
            ("npm packages", megabytes(npm(program, folder))),
        ]
    azurite_program = PACKAGES / "node/node_modules/azurite/dist/src/azurite.js"
    ports = [f"--{service}Port=0" for service in ("blob", "queue", "table")]
    rows = [
        *((f"acs-emulator: {what}", value) for what, value in sizes),
        ("Azurite: installed with its dependencies", megabytes(azurite())),
        (
            "acs-emulator: start to ready line",
            time_to_line([program, *free], '"ready"', options.runs),
        ),
        (
            "acs-emulator: start to ready line, with HTTPS",
            time_to_line([program, *free, "--https", "127.0.0.1:0"], '"ready"', options.runs),
        ),
        (
            "Azurite: start until all services listen",
            time_to_line(
                ["node", azurite_program, "--inMemoryPersistence", *ports],
                "Table service is successfully listening",
                options.runs,
            ),
        ),
    ]
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        print(f"{what:{width}}  {value}")


if __name__ == "__main__":
    main()
