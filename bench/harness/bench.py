"""What all measures share: the system, how long to measure, where results and complaints go."""

import dataclasses
import os
import statistics
import subprocess

from .load import storm

CLIENTS = (1, 16, 64, 256)
SPREAD_SHOWS = 64


@dataclasses.dataclass
class Bench:
    system: object
    quick: bool
    results: dict = dataclasses.field(default_factory=dict)
    complaints: list = dataclasses.field(default_factory=list)
    shows_made: int = 0

    @property
    def seconds(self):
        return 1.5 if self.quick else 5

    @property
    def warmup(self):
        return 0.3 if self.quick else 1

    @property
    def rounds(self):
        return 1 if self.quick else 3

    def fresh_system(self):
        """Nothing that an earlier measure left; some want the live bookings to be just theirs."""
        self.system.down()
        self.system.up()

    def say(self, text):
        print(text, flush=True)

    def new_show(self, shows=1, partition=1, **more):
        """A show, or several under one prefix, that nobody has booked yet; the prefix."""
        self.shows_made += 1
        slug = f"bench{self.shows_made}"
        slugs = [slug] if shows == 1 else [f"{slug}-{n + 1}" for n in range(shows)]
        self.system.create_shows(slugs, partition=partition, **more)
        return slug

    def load(self, url, what, **options):
        """One timed run; a line about it, and a complaint if an answer was wrong."""
        options.setdefault("clients", 256)
        options.setdefault("seconds", self.seconds + self.warmup)
        options.setdefault("warmup", self.warmup)
        result = storm(self.system.build, url, **options)
        steps = "  ".join(
            f"{name} {step.per_second:8.0f}/s p50 {step.ms('p50'):7.2f} p99 {step.ms('p99'):7.2f} ms"
            for name, step in result["steps"].items())
        self.say(f"  {what:<44} {steps}")
        self.check(what, result)
        return result

    def check(self, what, result):
        if result.complaints():
            self.complain(f"{what}: {result.complaints()}")

    def complain(self, text):
        self.say(f"  ! {text}")
        self.complaints.append(text)

    def book(self, url, show, bookings, **options):
        """So many bookings, in a closed loop, unmeasured."""
        options.setdefault("clients", min(256, bookings))
        result = storm(self.system.build, url, show=show, requests=bookings, **options)
        self.check(f"{bookings} bookings", result)
        return result

    def book_quietly(self, url, show):
        """One booking, whatever becomes of it."""
        return storm(self.system.build, url, show=show, requests=1, clients=1, seconds=5)

    def program(self, name, *words, **env):
        """One of the limits' programs; what it prints."""
        command = [str(self.system.build / "bench" / name), *map(str, words)]
        done = subprocess.run(command, text=True, capture_output=True, check=False,
                              env=dict(os.environ, **env))
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr}")
        return done.stdout


def median(numbers):
    return statistics.median(numbers)


def summary(step):
    """Of one step, what is kept in the results."""
    return {"per_second": round(step.per_second, 1), "p50_ms": step.ms("p50"),
            "p95_ms": step.ms("p95"), "p99_ms": step.ms("p99"), "max_ms": step.ms("max")}
