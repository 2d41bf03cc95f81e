"""storm, from Python: start it, wait for its results."""

import json
import subprocess


class Storm:
    """One run of the generator. Options are its flags: clients=64 is --clients 64."""

    def __init__(self, build, url, **options):
        urls = url if isinstance(url, str) else ",".join(url)
        command = [str(build / "bench" / "storm"), "--url", urls, "--quiet", "--json", "-"]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self.command = command
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def await_open(self):
        """--open: until all connections stand."""
        line = self.process.stdout.readline()
        if line.strip() != "storm: open":
            raise RuntimeError(f"storm: {line}{self.process.stderr.read()}")

    def stop(self):
        self.process.terminate()

    def finish(self):
        out, err = self.process.communicate()
        if not out.startswith("{"):
            raise RuntimeError(f"{' '.join(self.command)}: {err or out}")
        result = json.loads(out)
        result["steps"] = {k: Step(v) for k, v in result["steps"].items()}
        return Result(result)


class Step(dict):
    """What became of one kind of request."""

    @property
    def per_second(self):
        return self["done_per_second"] + self["refused_per_second"]

    def ms(self, percentile):
        return self["latency_us"][percentile] / 1000


class Result(dict):
    def step(self, name):
        return self["steps"].get(name) or Step(
            done=0, refused=0, busy=0, queued=0, timed_out=0, wrong=0, done_per_second=0.0,
            refused_per_second=0.0, latency_us=dict.fromkeys(
                ("mean", "p50", "p90", "p95", "p99", "p999", "max"), 0))

    def complaints(self):
        """What should not have been, in words; empty if all is well."""
        words = [f"{self[k]} {k}" for k in ("wrong", "denied", "broken", "unanswered") if self[k]]
        if self["sample"]:
            words.append("first: " + self["sample"])
        return "; ".join(words)


def storm(build, url, **options):
    return Storm(build, url, **options).finish()
