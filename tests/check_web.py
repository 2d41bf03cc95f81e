#!/usr/bin/python3
"""The pages in web/: that their parts find each other, and that nothing comes from elsewhere.

    tests/check_web.py [FOLDER]     look at the pages (default: web/ beside this file's folder)
    tests/check_web.py --self-test  doctor small pages in every way that must be found

Every import names a file that is there and a name that it exports; every file is reached; scripts
and sheets are files, never words inside a page; no address of another host; no text becomes markup.
"""
import html.parser
import pathlib
import re
import sys
import tempfile

SUFFIXES = {".html", ".css", ".js", ".svg"}
LINES_MAX = 500
STATIC = re.compile(r'^(?:import|export)\s+(?:(?P<what>[\w*{}\s,]+?)\s+from\s+)?"(?P<path>[^"]+)";', re.M)
DYNAMIC = re.compile(r'\bimport\("([^"]+)"\)')
EXPORT = re.compile(r"^export\s+(?:async\s+)?(?:function\*?|class|const|let)\s+(\w+)", re.M)
EXPORTS = re.compile(r"^export\s*\{([^}]*)\};", re.M)
ELSEWHERE = re.compile(r"""(?:https?:)?//[\w.-]+\.[a-z]{2,}""", re.I)
NAMES = {"http://www.w3.org/2000/svg"}  # names, not addresses: nobody asks there
MARKUP = re.compile(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function"
                    r"|DOMParser|createContextualFragment)\b")
COMMENT = re.compile(r"^\s*(?://.*|/\*.*?\*/)\s*$", re.M)


class Document(html.parser.HTMLParser):
    """What a page takes in, and what must not stand in it."""

    def __init__(self):
        super().__init__()
        self.taken, self.complaints = [], []

    def handle_starttag(self, tag, attributes):
        fields = dict(attributes)
        self.complaints += [f"inline handler {name} on <{tag}>" for name in fields
                            if name.startswith("on")]
        if "style" in fields:
            self.complaints.append(f"inline style on <{tag}>")
        if tag == "style" or (tag == "script" and "src" not in fields):
            self.complaints.append(f"inline <{tag}>")
        source = fields.get("src") or (fields.get("href") if tag == "link" else None)
        if source is not None:
            self.taken.append(source)


def exports_of(text):
    names = set(EXPORT.findall(text))
    for group in EXPORTS.findall(text):
        names |= {part.split(" as ")[-1].strip() for part in group.split(",") if part.strip()}
    return names


def imported(what):
    """Of an import's braces: rows of the name there and the name here."""
    group = re.search(r"\{([^}]*)\}", what or "")
    words = [part.strip().split(" as ") for part in group.group(1).split(",")] if group else []
    return [(word[0].strip(), word[-1].strip()) for word in words if word[0]]


class Web:
    def __init__(self, root):
        self.root = root
        self.files = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
                      for path in sorted(root.rglob("*")) if path.is_file()}
        self.complaints, self.reached = [], set()

    def complain(self, name, what):
        self.complaints.append(f"{name}: {what}")

    def resolve(self, name, target):
        """The file that a path in a file means, or None."""
        if target.startswith("/web/"):
            found = target[len("/web/"):]
        elif target.startswith("."):
            folder = pathlib.PurePosixPath(name).parent
            parts = []
            for part in (folder / target).parts:
                if part == ".." and parts:
                    parts.pop()
                elif part != ".":
                    parts.append(part)
            found = "/".join(parts)
        else:
            self.complain(name, f"{target} is neither /web/… nor ./…")
            return None
        if found not in self.files:
            self.complain(name, f"{target} is not there")
            return None
        self.reached.add(found)
        return found

    def check_script(self, name, text):
        body = STATIC.sub("", text)
        for match in STATIC.finditer(text):
            found = self.resolve(name, match["path"])
            for there, here in imported(match["what"]):
                if found is not None and there not in exports_of(self.files[found]):
                    self.complain(name, f"{match['path']} does not export {there}")
                if not re.search(rf"\b{here}\b", body):
                    self.complain(name, f"{here} is imported and not used")
        for target in DYNAMIC.findall(text):
            self.resolve(name, target)
        for word in MARKUP.findall(COMMENT.sub("", text)):
            self.complain(name, f"{word}: text must not become markup or code")

    def check_page(self, name, text):
        document = Document()
        document.feed(text)
        for complaint in document.complaints:
            self.complain(name, complaint)
        for target in document.taken:
            self.resolve(name, target)

    def check(self):
        for name, text in self.files.items():
            suffix = pathlib.PurePosixPath(name).suffix
            if suffix not in SUFFIXES:
                self.complain(name, "a kind of file that the gateway has no media type for")
            if suffix == ".js":
                self.check_script(name, text)
            elif suffix == ".html":
                self.check_page(name, text)
            for match in ELSEWHERE.finditer(text):
                if not any(text.startswith(known, match.start()) for known in NAMES):
                    self.complain(name, f"{match.group()} is another host")
            if text.count("\n") > LINES_MAX and suffix != ".css":
                self.complain(name, f"more than {LINES_MAX} lines")
        for name in self.files:
            if name not in self.reached and not name.endswith(".html") and name not in ALONE:
                self.complain(name, "nothing takes it in")
        return self.complaints


ALONE = {"waiting-room.js"}  # for other people's pages

# ---- the check of the check ----

RIGHT = {
    "page.html": '<link rel="stylesheet" href="/web/style.css"><script type="module" '
                 'src="/web/main.js"></script>',
    "style.css": "a { color: red; }",
    "main.js": 'import { one, two as three } from "./one.js";\none(three);\n'
               'import("./pages/a.js");\n',
    "one.js": "export function one() {}\nexport const two = 2;\n",
    "pages/a.js": 'import { one } from "../one.js";\none();\n',
}
WRONG = [
    ("main.js", 'import { none } from "./one.js";\nnone();\nimport("./pages/a.js");\n',
     "does not export none"),
    ("main.js", 'import { one } from "./one.js";\nimport("./pages/a.js");\n', "not used"),
    ("main.js", 'import { x } from "./no.js";\nx();\nimport("./pages/a.js");\n', "is not there"),
    ("main.js", 'import "left-pad";\nimport("./pages/a.js");\n', "neither"),
    ("main.js", "", "nothing takes it in"),
    ("pages/a.js", 'import { one } from "../one.js";\none().innerHTML = "";\n', "innerHTML"),
    ("pages/a.js", 'fetch("https://example.com/x");\n', "another host"),
    ("style.css", "@import url(//cdn.example.org/x.css);", "another host"),
    ("page.html", RIGHT["page.html"] + '<p onclick="x()">', "inline handler onclick"),
    ("page.html", RIGHT["page.html"] + "<script>x()</script>", "inline <script>"),
    ("page.html", RIGHT["page.html"] + '<p style="color: red">', "inline style"),
    ("page.html", RIGHT["page.html"] + "<style></style>", "inline <style>"),
    ("font.woff", "x", "no media type"),
]


def doctored(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return Web(root).check()


def self_test():
    failures = [f"right pages: {complaint}" for complaint in doctored(RIGHT)]
    for path, text, want in WRONG:
        got = doctored({**RIGHT, path: text})
        if not any(want in complaint for complaint in got):
            failures.append(f"{path} with {text!r}: wanted {want!r}, got {got}")
    return failures, len(WRONG) + 1


def main(arguments):
    if arguments == ["--self-test"]:
        complaints, seen = self_test()
        what = "doctored pages"
    else:
        root = pathlib.Path(arguments[0] if arguments
                            else pathlib.Path(__file__).parent.parent / "web")
        web = Web(root)
        complaints, seen = web.check(), len(web.files)
        what = "files"
        if seen == 0:
            complaints.append(f"{root}: no file there")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"web: {seen} {what}, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
