"""What tests of waiting rooms do over and over."""

from . import draw
from .process import wait_until

FAST = 1000000  # people a minute: as many as may be


def room(world, *words, show="gala"):
    result = world.ctl("room", "set", show, *words)
    assert result.code == 0, result


def keys_of(world, text=draw.KEYS_FILE):
    path = world.folder / "ticket_keys"
    path.write_text(text)
    return path


def join(client, user=None, show="gala"):
    body = None if user is None else {"user": user}
    return client.ask("POST", f"/v1/shows/{show}/queue", body)


def joined(client, *users, show="gala"):
    """Places, once the room is there."""
    def one(user):
        answer = wait_until("the room", lambda: (a := join(client, user, show)).status != 503 and a)
        assert answer.status == 201, answer
        return answer.json
    return [one(user) for user in users]


def place(client, ticket):
    answer = client.get(f"/v1/queue/{ticket}")
    assert answer.status == 200, answer
    return answer.json


def wait_state(client, ticket, state):
    def there():
        now = place(client, ticket)
        return now if now["state"] == state else None
    return wait_until(f"a place that is {state}", there)


def is_on(client):
    """The gateway knows of the room."""
    return client.get("/v1/shows/gala/queue").status == 503 or \
        client.get("/v1/shows/gala/queue").json["state"] != "off"


def opened(world, client, *words):
    room(world, "--order", "arrival", "--rate", FAST, *words)
    wait_until("the room", lambda: is_on(client))


def admitted(client, user=None, show="gala"):
    return wait_state(client, joined(client, user, show=show)[0]["ticket"], "admitted")
