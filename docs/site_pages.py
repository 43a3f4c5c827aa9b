"""MkDocs hook: what lies outside ``docs``, where people who browse the repository look for it, is in the site as well.

Links are written for the repository; here those that lead from one set of pages into the other are turned.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

PAGES = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
    **{f"{folder}/README.md": f"folders/{folder}.md" for folder in ("scenarios", "agents", "adversaries", "reports")},
}
"""File of the repository to its name in the site."""

EXAMPLES = sorted(path.name for path in (ROOT / "examples").iterdir() if path.suffix in {".py", ".ipynb"})
"""Files that pages link to, and that the site carries as they are."""

_LINK = re.compile(r"(\]\(|\bsrc=\")(?!\w+:|#|/)([^)#\"\s]+)")


def turned(text: str, source: str, page: str) -> str:
    """Return Markdown with its relative links turned.

    Args:
        text: The document.
        source: Its path in the repository; links are relative to its folder.
        page: Its name in the site.
    """

    def turn(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[2]))
        inside = PAGES.get(target, target.removeprefix("docs/"))
        if not target.startswith(("docs/", "examples/")) and target not in PAGES:
            return found[0]
        return found[1] + posixpath.relpath(inside, posixpath.dirname(page) or ".")

    return _LINK.sub(turn, text)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from the top of the repository, and the examples."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=turned(text, source, page)))
    for name in EXAMPLES:
        files.append(File(f"examples/{name}", str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of the pages under ``docs``."""
    name = page.file.src_uri
    return markdown if name in PAGES.values() else turned(markdown, f"docs/{name}", name)
