"""ops/alerts.yml and ops/grafana.json: right by promtool, and about metrics that there are."""

import json
import re
import subprocess
from pathlib import Path

from harness.process import wait_until

OPS = Path(__file__).resolve().parents[2] / "ops"
KINDS = r"(_bucket|_sum|_count)?$"


def promtool(*words):
    done = subprocess.run(["/usr/bin/promtool", *words], cwd=OPS, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_right_and_say_what_they_are_meant_to():
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")


def test_every_rule_is_tested():
    rules = set(re.findall(r"alert: (\w+)", (OPS / "alerts.yml").read_text()))
    tested = set(re.findall(r"alertname: (\w+)", (OPS / "alerts_test.yml").read_text()))
    assert rules and rules == tested


def test_the_metrics_that_they_are_about_are_there(world):
    world.show("show", {"Floor": (100, 10)})
    world.start()
    world.start_courier()
    client = world.client()
    assert client.post("/v1/shows/show/bookings",
                       {"user": "ann", "tier": "Floor", "quantity": 1}).status == 201

    def there():
        return set(re.findall(r"^# TYPE (\w+)", client.get("/metrics").body.decode(), re.M))
    expressions = re.findall(r"expr: (.*)", (OPS / "alerts.yml").read_text())
    expressions += [target["expr"] for panel in json.loads((OPS / "grafana.json").read_text())[
        "panels"] for target in panel["targets"]]
    named = {re.sub(KINDS, "", name) for expression in expressions
             for name in re.findall(r"\busher_\w+", expression)}
    assert named
    try:
        wait_until("all of them", lambda: named <= there(), 30)
    except TimeoutError:
        assert not named - there()
