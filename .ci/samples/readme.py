#!/usr/bin/env python3
"""Runs what the README shows and compares the answers.

    readme.py ADDRESS FRESH_ADDRESS PROGRAM [--update]

Each ```console block of README.md holds commands, `$ ` and what follows a `\\` at a
line's end, and what they print. All run in one shell, in the order of the page,
against the server at ADDRESS, which has the demo world, in place of
127.0.0.1:8080; those of a block below `<!-- fresh -->` against the one at
FRESH_ADDRESS, which has made a first start. bin/usher is PROGRAM. Ids, times,
tokens, ports and durations differ from run to run and are not compared; nor is
what a line of … stands for. --update writes what was printed into the page.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

README = pathlib.Path(__file__).parents[2] / "README.md"
END = "--end-of-answer--"
DIFFERENT = [
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{24}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\b[\w-]{43}\b"), "<token>"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), "<address>"),
    (re.compile(r"\bin \d+(\.\d+)? m?s\b"), "in <duration>"),
    (re.compile(r"(\*-)?\*+[0-9a-f]{4}\b"), "<masked>"),
]


def same(shown, printed):
    """Whether an answer is the one shown, but for what differs from run to run."""
    for pattern, name in DIFFERENT:
        shown, printed = pattern.sub(name, shown), pattern.sub(name, printed)
    start, gap, _ = shown.partition("\n…")
    return printed.startswith(start) if gap else printed == shown


class Shell:
    def __init__(self, directory):
        self.process = subprocess.Popen(
            ["bash"], cwd=directory, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def run(self, command):
        self.process.stdin.write(f"{command}\nprintf '\\n{END}\\n'\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.rstrip("\n") == END:
                return "".join(printed).replace("\r", "").rstrip("\n")
            printed.append(line)
        raise SystemExit(f"the shell ended: {command}")


def main():
    address, fresh, program = sys.argv[1:4]
    update = sys.argv[4:] == ["--update"]
    page, wrong, commands = [], 0, 0
    lines = iter(README.read_text().split("\n"))
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "bin").mkdir()
        pathlib.Path(directory, "bin", "usher").symlink_to(program)
        shell = Shell(directory)
        target = address
        for line in lines:
            page.append(line)
            if line == "<!-- fresh -->":
                target = fresh
            if line != "```console":
                continue
            block = []
            for line in lines:
                if line == "```":
                    break
                block.append(line)
            while block:
                command = [block.pop(0)]
                while command[-1].endswith("\\"):
                    command.append(block.pop(0))
                shown = []
                while block and not block[0].startswith("$ "):
                    shown.append(block.pop(0))
                text = "\n".join(command).removeprefix("$ ")
                printed = shell.run(text.replace("127.0.0.1:8080", target))
                printed = printed.replace(target, "127.0.0.1:8080")
                commands += 1
                if not same("\n".join(shown), printed):
                    wrong += 1
                    print(f"{text}\n  shown:   {shown}\n  printed: {printed}\n", file=sys.stderr)
                    if update:
                        shown = printed.split("\n") if printed else []
                page += command + shown
            page.append("```")
            target = address
    if update:
        README.write_text("\n".join(page))
    elif wrong:
        raise SystemExit(f"{wrong} of {commands} commands of the README print something else")
    print(f"README: {commands} commands")


main()
