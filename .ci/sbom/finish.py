"""Completes and checks a bill of materials.

usage: finish.py SBOM PROGRAM MODULES LICENCES TIME TOOL OUT

Writes SBOM to OUT with the licences that LICENCES (docs/licences.md) has of its
modules, and the digest of PROGRAM, whose it is. Fails if the modules are not those
that the program was linked from, by MODULES (what `go version -m` prints), if a
licence is missing, or if the outcome is not valid against CycloneDX's own schema,
strictly.

The same program gives the same bill, byte for byte: TIME is the commit's, the
serial number is made of the rest, and of TOOL, which is cyclonedx-gomod's version,
no digest is told, since that is of whoever built it.
"""

import hashlib
import json
import re
import sys
import uuid

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main(sbom: str, program: str, modules: str, licences: str, time: str, tool: str, out: str) -> None:
    with open(modules, encoding="utf-8") as f:
        linked = {(m[1], m[2]) for line in f if (m := line.split())[:1] == ["dep"]}
    with open(licences, encoding="utf-8") as f:
        rows = re.findall(r"^\| (\S+) \| (v\S+) \| (.+) \|$", f.read(), re.MULTILINE)
    known = {(module, version): ids.split(", ") for module, version, ids in rows}
    with open(sbom, encoding="utf-8") as f:
        document = json.load(f)

    listed = set()
    for component in document["components"]:
        if component["name"] == "std":  # Go's own library
            ids = ["BSD-3-Clause"]
        else:
            module = component["name"], component["version"]
            listed.add(module)
            if module not in known:
                sys.exit(f"{module}: docs/licences.md has no licence of it: run make licences")
            ids = known[module]
        component["licenses"] = [{"expression": " AND ".join(ids)}]
    if listed != linked:
        sys.exit(f"not in the program: {listed - linked}; not in the bill: {linked - listed}")

    with open(program, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    usher = document["metadata"]["component"]
    usher["hashes"] = [{"alg": "SHA-256", "content": digest}]
    usher["licenses"] = [{"expression": "Apache-2.0"}]
    document["metadata"]["timestamp"] = time
    document["metadata"]["tools"] = [{"vendor": "CycloneDX", "name": "cyclonedx-gomod", "version": tool}]
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document)).urn

    text = json.dumps(document, indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"not valid: {error}")
    with open(out, "w", encoding="utf-8") as f:
        f.write(text + "\n")
    print(f"{out}: {len(document['components'])} components")


main(*sys.argv[1:])
