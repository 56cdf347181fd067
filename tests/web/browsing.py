"""A real browser, and a server for the page that it opens."""

import contextlib
import functools
import http.server
import shutil
import threading

WIDTHS = {"phone": (390, 844), "desk": (1280, 900)}  #: with heights, in pixels

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """Where a browser is that Playwright drives; it need not be one of its own."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


@contextlib.contextmanager
def started():
    """A browser without a window, till the end of the block.  Needs Playwright and a ``program``."""
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def served(folder):
    """The address of a folder, which is served till the end of the block."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
