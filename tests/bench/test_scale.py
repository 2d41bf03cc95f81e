"""docs/SCALE.md says what the simulation says, and the simulation can be believed in simple cases."""

import importlib.util
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SCRIPT = TOP / "bench/scale/simulate.py"

spec = importlib.util.spec_from_file_location("simulate", SCRIPT)
simulate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulate)


def test_the_page_has_the_tables_of_the_simulation():
    told = subprocess.run([str(SCRIPT)], capture_output=True, text=True, timeout=60, check=True)
    page = (TOP / "docs/SCALE.md").read_text()
    for table in told.stdout.strip().split("\n\n"):
        assert table in page, table


def test_everybody_is_answered_and_no_place_is_sold_twice():
    for people, places, ramp, room in [(100, 10, 1, 0), (10, 100, 1, 0), (50_000, 5_000, 0.01, 0),
                                       (2_000_000, 70_000, 0.5, 0), (20_000, 500, 1, 1_000)]:
        out = simulate.simulate(simulate.Sale(people, places, ramp, room))
        assert out.granted == min(people, places)
        assert out.granted + out.refused == people


def test_a_room_keeps_the_queue_short():
    crowd = simulate.simulate(simulate.Sale(1_000_000, 50_000))
    let_in = simulate.simulate(simulate.Sale(1_000_000, 50_000, room_per_s=20_000))
    assert let_in.longest_queue < crowd.longest_queue / 100
    assert let_in.at_the_door == 0 < crowd.at_the_door
    assert let_in.p99_ms < crowd.p50_ms
