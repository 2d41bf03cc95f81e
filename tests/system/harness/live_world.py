"""A world that is listened to: shows, streams of its gateways, what these say of them."""

import json

from .live import Listener, WebSocket

TIERS = {"VIP": (10000, 4), "STD": (5000, 30)}


def start_rock(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start()
    return world


def streams_of(client):
    """How many streams the gateway says are open."""
    text = client.get("/metrics").body.decode()
    return sum(int(float(line.split()[-1])) for line in text.splitlines()
               if line.startswith("usher_gateway_streams{"))


def metric_of(client, name):
    text = client.get("/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def listen(world, show="rock", gateway=0, way="events", query="", **options):
    return Listener(world.gateways[gateway].port, f"/v1/shows/{show}/{way}{query}", **options)


def write_map(world, entries):
    path = world.folder / "map.json"
    path.write_text(json.dumps(entries))
    return path


def seats_world(world, entries=None, **options):
    world.start_redis()
    entries = entries or [{"tier": "Stalls", "row": row, "number": 1, "count": 20} for row in "ABCDE"]
    result = world.ctl("show", "create", "--slug", "hall", "--map", write_map(world, entries),
                       "--tier", "Stalls:4500")
    assert result.code == 0, result
    world.start_allocator()
    world.start_gateway(**options)
    return world.client()


def socket_of(world, show="rock", query="", **headers):
    return WebSocket(world.gateways[0].port, f"/v1/shows/{show}/ws{query}", **headers)
