"""A sale followed to its end: by curl, an EventSource's way through nginx, and WebSocket clients."""

import asyncio
import json
import subprocess
import threading

import aiohttp
import pytest

from harness.live import Listener
from harness.nginx import Nginx
from harness.process import patience, wait_until

PLACES = 40


@pytest.fixture
def venue(world):
    """A show of forty places, two gateways, and nginx before them."""
    world.start_redis()
    world.show("rock", {"STD": (5000, PLACES)}, max_per_booking=40)
    world.start(gateways=2)
    world.nginx = Nginx(world.folder, world.gateways).start()
    yield world
    assert world.nginx.stop() == 0


def sell_out(world, client):
    for number in range(PLACES // 4):
        assert client.book("rock", f"user {number}", "STD", 4).status == 201
    assert client.book("rock", "late", "STD", 1).code == "SOLD_OUT"


def is_sold_out(listener):
    return (listener.last("sale") or {}).get("state") == "sold_out" and \
        listener.last("availability")["available"] == 0


def test_a_sale_is_followed_to_its_end(venue, tmp_path):
    client = venue.client()
    wires = [Listener(port, "/v1/shows/rock/events", version="1.0")
             for port in (venue.gateways[0].port, venue.gateways[1].port, venue.nginx.port)]
    out = tmp_path / "curl.txt"
    with open(out, "wb") as file:
        curls = [subprocess.Popen(["curl", "-sN", "--max-time", str(int(patience(60))),
                                   f"http://127.0.0.1:{port}/v1/shows/rock/events"],
                                  stdout=file if port == venue.nginx.port else subprocess.DEVNULL)
                 for port in (venue.nginx.port, venue.gateways[0].port)]
        for wire in wires:
            wire.wait_snapshot()
        wait_until("curl to hear", lambda: b'"opened"' in out.read_bytes())
        sell_out(venue, client)
        for wire in wires:
            wire.wait("the end of the sale", is_sold_out)
        wait_until("curl to hear of the end", lambda: b'"sold_out"' in out.read_bytes())
        for curl in curls:
            curl.terminate()
            curl.wait(timeout=10)
    status, fields = wires[2].head()
    assert status == 200 and fields["content-type"] == "text/event-stream"
    for wire in wires:
        wire.close()


async def follow(port, heard):
    """What aiohttp's client is told, until the sale is over."""
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"http://127.0.0.1:{port}/v1/shows/rock/ws",
                                      headers={"Origin": f"http://127.0.0.1:{port}"}) as ws:
            async for message in ws:
                heard.append(json.loads(message.data))
                if heard[-1].get("state") == "sold_out":
                    break
            await ws.close()
            return ws.close_code


def test_websockets_follow_it_too(venue):
    client = venue.client()
    ports = [venue.gateways[0].port, venue.nginx.port]
    heard, codes = {port: [] for port in ports}, {}
    def run(port):
        codes[port] = asyncio.run(asyncio.wait_for(follow(port, heard[port]), patience(60)))
    threads = [threading.Thread(target=run, args=(port,), daemon=True) for port in ports]
    for thread in threads:
        thread.start()
    for port in ports:
        wait_until("a first message", lambda p=port: heard[p])
    sell_out(venue, client)
    for thread in threads:
        thread.join(timeout=patience(60))
        assert not thread.is_alive()
    assert codes == {port: 1000 for port in ports}
    for port in ports:
        left = [event["available"] for event in heard[port] if event["type"] == "availability"]
        assert left[0] == PLACES and left[-1] == 0 and left == sorted(left, reverse=True)


def test_a_gateway_ends_behind_nginx(venue):
    """The stream ends, says when to come again, and whoever comes goes on where he was."""
    client = venue.client(1)
    with Listener(venue.nginx.port, "/v1/shows/rock/events", version="1.0") as wire:
        wire.wait_snapshot()
        last = wire.last_id()
        text = [venue.client(n).get("/metrics").body.decode() for n in (0, 1)]
        serving = next(n for n in (0, 1) if 'usher_gateway_streams{transport="sse"} 1' in text[n])
        venue.gateways[serving].stop()
        wire.wait("the end", lambda l: l.ended)
        assert wire.blocks[-1].startswith("retry: ")
    other = venue.client(1 - serving) if serving else client
    assert other.book("rock", "ann", "STD", 1).status == 201
    with Listener(venue.nginx.port, "/v1/shows/rock/events", version="1.0",
                  Last_Event_ID=last) as wire:
        wire.wait_available(PLACES - 1)
        assert wire.of("sale") == []
