"""Stands in for cargo when maturin packs the program: BUILT_PROGRAM is built already."""

import json
import os
import sys

MANIFEST = sys.argv[sys.argv.index("--manifest-path") + 1]
PROGRAM = os.environ["BUILT_PROGRAM"]
NAME = "acs-emulator"
assert sys.argv[1] == "rustc", sys.argv
assert sys.argv[sys.argv.index("--bin") + 1] == NAME, sys.argv
assert "cli" in sys.argv[sys.argv.index("--features") + 1], sys.argv

target = {
    "kind": ["bin"],
    "crate_types": ["bin"],
    "name": NAME,
    "src_path": os.path.join(os.path.dirname(MANIFEST), "src/main.rs"),
    "edition": "2024",
    "doc": True,
    "doctest": False,
    "test": True,
}
profile = {
    "opt_level": "0",
    "debuginfo": 0,
    "debug_assertions": True,
    "overflow_checks": True,
    "test": False,
}
artifact = {
    "reason": "compiler-artifact",
    "package_id": f"path+file://{os.path.dirname(MANIFEST)}#0.1.0",
    "manifest_path": MANIFEST,
    "target": target,
    "profile": profile,
    "features": ["cli"],
    "filenames": [PROGRAM],
    "executable": PROGRAM,
    "fresh": True,
}
print(json.dumps(artifact))
print(json.dumps({"reason": "build-finished", "success": True}))
