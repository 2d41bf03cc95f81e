"""Other databases of a world, beside its home or in clusters of their own."""

from . import judge
from .crowd import lines_of
from .postgres_server import quote
from .programs import run_program

LAST = 2147483646        # the last number there is for a show
RANGE = 16777216         # numbers of each other database
FIRST = LAST - RANGE + 1  # the first one of the first


class Other:
    """Another database than home; port: where home has it, if not at its cluster itself."""

    def __init__(self, world, cluster, name, template="usher_template", port=None):
        self.world, self.cluster, self.database = world, cluster, name
        self.port = port or cluster.port
        cluster.run("postgres", f"CREATE DATABASE {quote(name)} TEMPLATE {quote(template)}")

    def drop(self):
        self.cluster.run("postgres", f"DROP DATABASE {quote(self.database)} WITH (FORCE)")

    @property
    def dsn(self):
        """As home names it: where it is, and nothing of who comes."""
        return f"host=127.0.0.1 port={self.port} dbname={self.database}"

    def url(self, user="postgres"):
        return self.cluster.url(self.database, user)

    def run(self, statement, *parameters):
        return self.cluster.run(self.database, statement, *parameters)

    def value(self, statement, *parameters):
        return self.run(statement, *parameters)[0][0]

    def ctl(self, *words):
        """usherctl that is told of this database instead of home."""
        return run_program("usherctl", *words, env={"USHER_POSTGRES": self.url()})

    def judge(self, asks=()):
        """As World.judge, of this database."""
        connection = self.cluster.connect(self.database)
        try:
            violations = judge.judge(connection, self.world.redis.client())
            if asks:
                rows = judge.rows_of(connection, "SELECT code, tier FROM tiers")
                numbers = {row["code"]: row["tier"] for row in rows}
                violations += judge.judge_history(connection, asks, lines_of(numbers))
        finally:
            connection.close()
        assert not violations, "\n".join(violations)


def add_partition(world, number, other):
    result = world.ctl("partition", "add", number, "--dsn", other.dsn)
    assert result.code == 0, result
    return result


def pair_up(world, cluster, places=10, port=None):
    """`here` in partition 1 at home, `there` in partition 7 in a database of this cluster."""
    world.other = Other(world, cluster, world.database + "_b", port=port)
    world.show("here", {"GA": (100, places)})
    add_partition(world, 7, world.other)
    world.show("there", {"GA": (100, places)}, partition=7)
    return world


def judge_both(world, here=(), there=()):
    """Both databases; `usherctl verify` looks at both, too."""
    world.other.judge(there)
    world.judge(here)
