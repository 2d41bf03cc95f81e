"""A browser with words for what a visitor does: Debian's chromium, without a screen."""

import os
import re
from contextlib import contextmanager

from selenium import webdriver
from selenium.common.exceptions import (NoSuchElementException, StaleElementReferenceException,
                                        WebDriverException)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from harness.process import REPOSITORY, free_port, wait_until

SECONDS = 30.0      # bounds a failure
SCREENSHOTS = REPOSITORY / os.environ.get("BUILD", "build") / "screenshots"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
             "--disable-component-update", "--disable-extensions", "--disable-sync",
             "--hide-scrollbars", "--mute-audio", "--lang=en-US", "--force-color-profile=srgb",
             # What stands in front is found by its name, and has a certificate of its own making.
             "--host-resolver-rules=MAP box.example 127.0.0.1", "--ignore-certificate-errors")
# Watched from the first moment of every page: what the policy refused, and what jumped.
WATCH = """
window.seen = {violations: [], shift: 0};
addEventListener('securitypolicyviolation', (event) =>
    window.seen.violations.push(event.violatedDirective + ' ' + event.blockedURI));
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    if (!entry.hadRecentInput) window.seen.shift += entry.value;
})).observe({type: 'layout-shift', buffered: true});
"""


class Window:
    def __init__(self, profile):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(profile), "LC_ALL": "C.UTF-8",
                       "TZ": "UTC"}
        self.driver = webdriver.Chrome(options=options, service=Service(
            "/usr/bin/chromedriver", port=free_port(), env=environment))
        self.driver.execute_cdp_cmd("Page.enable", {})
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        self.expected = []

    def close(self):
        self.driver.quit()

    # ---- a test's turn ----

    def begin(self):
        self.expected = []
        self.look("desktop")
        self.driver.get_log("browser")

    def expect(self, *patterns):
        """What this test makes the console say: answers that are refusals, lost connections."""
        self.expected += patterns

    def end(self):
        """What nobody expected."""
        complaints = [f"console: {entry['message']}" for entry in self.driver.get_log("browser")
                      if entry["level"] in ("SEVERE", "WARNING") and
                      not any(re.search(p, entry["message"]) for p in self.expected)]
        seen = self.run("return window.seen || null")
        if seen:
            complaints += [f"policy: {violation}" for violation in seen["violations"]]
        try:
            self.run("localStorage.clear(); sessionStorage.clear()")
        except WebDriverException:
            pass  # not on a page of ours
        self.driver.get("about:blank")
        return complaints

    # ---- looking ----

    def look(self, size, dark=False):
        width, height = SIZES[size]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    @contextmanager
    def slow(self):
        """Far away, on an old phone: 0.4 s to any answer, 40 kB a second, a sixth of a processor."""
        self.look("phone")
        self._hinder(latency=400, throughput=40_000, processor=6)
        try:
            yield
        finally:
            self._hinder(latency=0, throughput=-1, processor=1)

    def _hinder(self, latency, throughput, processor):
        tell = self.driver.execute_cdp_cmd
        tell("Network.enable", {})
        tell("Network.setCacheDisabled", {"cacheDisabled": latency > 0})
        tell("Network.emulateNetworkConditions", {
            "offline": False, "latency": latency, "downloadThroughput": throughput,
            "uploadThroughput": throughput})
        tell("Emulation.setCPUThrottlingRate", {"rate": processor})

    def picture(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        """The element, or None."""
        try:
            return self.driver.find_element(By.CSS_SELECTOR, selector)
        except NoSuchElementException:
            return None

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector="body"):
        element = self.find(selector)
        return element.text if element else ""

    def until(self, what, condition, seconds=SECONDS):
        def settled():
            try:
                return condition()
            except StaleElementReferenceException:
                return None
        try:
            return wait_until(what, settled, seconds, pause=0.05)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the page says:\n{self.text()}") from None

    def until_there(self, selector):
        return self.until(selector, lambda: self.find(selector))

    def until_text(self, words, selector="body"):
        return self.until(f"{words!r} in {selector}", lambda: words in self.text(selector))

    @property
    def shift(self):
        """How far things have jumped about by themselves (the measure that browsers have)."""
        return self.run("return window.seen.shift")

    # ---- doing ----

    def open(self, port, path, origin="http://127.0.0.1"):
        self.driver.get(f"{origin}:{port}{path}")
        self.until("the page", lambda: self.find("main") and not self.find("main[aria-busy]"))
        return self

    def reload(self):
        self.driver.refresh()
        self.until("the page", lambda: self.find("main") and not self.find("main[aria-busy]"))

    def reload_early(self):
        """Not to its end: the page waits for something itself."""
        self.driver.refresh()
        self.until_plan()

    def press(self, selector):
        self.until(f"{selector} to be pressed", lambda: self._press(selector))

    def _press(self, selector):
        element = self.find(selector)
        if element is None or not element.is_enabled():
            return False
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        return True

    def button(self, words):
        """Press the button that says so."""
        def pressed():
            for element in self.all("button, a.button"):
                if element.is_displayed() and element.is_enabled() and words in element.text:
                    self.run("arguments[0].scrollIntoView({block: 'center'})", element)
                    element.click()
                    return True
            return False
        self.until(f"a button {words!r}", pressed)

    def fill(self, selector, text):
        element = self.until_there(selector)
        element.clear()
        element.send_keys(text)

    def keys(self, *keys):
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self):
        """What the keyboard is at, by its words."""
        return self.run("const e = document.activeElement; return (e.getAttribute('aria-label') "
                        "|| e.textContent || e.name || '').trim()")

    # ---- the seat plan ----

    def until_plan(self):
        self.until("the seats", lambda: self.run(
            "const c = document.querySelector('canvas');"
            "return Boolean(c && c.seatMap.seats.isWhole && c.seatMap.box)"))

    def seat(self, name):
        """What the plan knows of a seat: {x, y, status, chosen, mine}, x and y in the window."""
        return self.run("""
            const map = document.querySelector('canvas').seatMap, i = map.seats.indexes.get(arguments[0]);
            const box = map.canvas.getBoundingClientRect();
            return {x: box.left + map.seats.x[i] * map.view.scale + map.view.x,
                    y: box.top + map.seats.y[i] * map.view.scale + map.view.y,
                    status: map.seats.status[i], chosen: map.chosen.has(i), mine: map.mine.has(i)};
            """, name)

    def click_seat(self, name):
        self.run("document.querySelector('canvas').scrollIntoView({block: 'center'})")
        at = self.seat(name)
        actions = ActionChains(self.driver)
        actions.w3c_actions.pointer_action.move_to_location(int(at["x"]), int(at["y"]))
        actions.click().perform()
