"""Series: the shows of one schedule, other dates in refusals, several nights in one request."""

import json

import pytest

HOTEL = {
    "series": "sea-view", "name": "Sea View", "category": "hotel", "partition": 2,
    "currency": "EUR", "max_per_user": 2,
    "tiers": [{"code": "Double", "price": 12900, "capacity": 1}],
    "rooms": [{"slug": "room-12", "name": "room 12"},
              {"slug": "room-14", "tiers": [{"code": "Single", "price": 8900, "capacity": 3}]}],
    "days": {"from": "2035-05-03", "to": "2035-05-05"},
    "slots": [{"begins": "15:00", "ends": "11:00"}], "utc_offset": "+02:00",
}
CINEMA = {
    "series": "night-train", "tiers": [{"code": "Stalls", "price": 1250, "capacity": 80}],
    "days": {"from": "2035-06-01", "to": "2035-06-30", "weekdays": ["fri", "sun"]},
    "slots": [{"begins": "20:00", "ends": "22:05"}, {"begins": "22:45", "ends": "00:50"}],
    "closes_minutes_before": 15, "number": 201,
}


@pytest.fixture
def create(world, tmp_path):
    def run(schedule, *words):
        text = schedule if isinstance(schedule, str) else json.dumps(schedule)
        (tmp_path / "series.json").write_text(text)
        return world.ctl("series", "create", "--file", tmp_path / "series.json", *words)
    return run


def test_the_nights_of_a_hotel(world, create):
    result = create(HOTEL)
    assert result.code == 0 and "6 shows created" in result.out, result
    shows = world.rows("SELECT * FROM shows ORDER BY show")
    assert [show["slug"] for show in shows] == \
        [f"{room}-203505{day}" for room in ("room-12", "room-14") for day in ("03", "04", "05")]
    assert {(show["series"], show["partition"], show["max_per_user"]) for show in shows} == \
        {("sea-view", 2, 2)}
    assert [show["name"] for show in shows][::3] == ["Sea View, room 12, 2035-05-03",
                                                     "Sea View, room-14, 2035-05-03"]
    assert shows[0]["starts_at"].isoformat() == "2035-05-03T13:00:00+00:00"
    assert shows[0]["ends_at"].isoformat() == "2035-05-04T09:00:00+00:00"
    tiers = world.rows("SELECT show, code, capacity FROM tiers ORDER BY show")
    assert [(tier["code"], tier["capacity"]) for tier in tiers] == \
        3 * [("Double", 1)] + 3 * [("Single", 3)]


def test_the_slots_of_a_cinema(world, create):
    assert create(CINEMA).code == 0
    shows = world.rows("SELECT * FROM shows ORDER BY show")
    assert len(shows) == 2 * 9  # five Fridays, four Sundays
    assert [show["show"] for show in shows] == list(range(201, 219))
    assert [show["slug"] for show in shows[:3]] == [
        "night-train-20350601-2000", "night-train-20350601-2245", "night-train-20350603-2000"]
    assert shows[1]["name"] == "night-train, 2035-06-01 22:45"
    assert shows[1]["ends_at"].isoformat() == "2035-06-02T00:50:00+00:00"
    assert shows[1]["sales_close_at"].isoformat() == "2035-06-01T22:30:00+00:00"


WRONG = [
    ({"series": None}, "'series'"),
    ({"series": "No Slug"}, "series"),
    ({"days": {"from": "2035-02-30", "to": "2035-03-01"}}, "days"),
    ({"days": {"from": "2035-05-05", "to": "2035-05-03"}}, "days"),
    ({"days": {"from": "2035-05-05"}}, "days"),
    ({"days": {"from": "2035-05-05", "to": "2046-05-05"}}, "days"),
    ({"days": {"from": "2035-05-05", "to": "2035-05-06", "weekdays": ["someday"]}}, "days"),
    ({"days": {"from": "2035-05-03", "to": "2035-05-03", "weekdays": ["mon"]}}, "weekdays"),
    ({"days": ["2035-05-03"]}, "days"),
    ({"slots": []}, "slots"),
    ({"slots": [{"begins": "24:00", "ends": "11:00"}]}, "slot"),
    ({"slots": [{"begins": "9:00", "ends": "11:00"}]}, "slot"),
    ({"slots": [{"begins": "09:00", "ends": "11:00", "for": "all"}]}, "slots"),
    ({"rooms": []}, "rooms"),
    ({"rooms": [{"name": "x"}]}, "room"),
    ({"rooms": [{"slug": "Room"}]}, "slug"),
    ({"rooms": [{"slug": "room", "tiers": []}]}, "tier"),
    ({"utc_offset": "CET"}, "time"),
    ({"utc_offset": 2}, "utc_offset"),
    ({"closes_minutes_before": -1}, "closes_minutes_before"),
    ({"slug": "own"}, "slug"),
    ({"starts_at": "2035-05-03T00:00:00Z"}, "starts_at"),
    ({"tiers": []}, "tier"),
    ({"colour": "red"}, "colour"),
    ({"rooms": [{"slug": f"r-{i}"} for i in range(1000)],
      "slots": [{"begins": "10:00", "ends": "11:00"}] * 90}, "shows"),
]


def test_a_schedule_that_is_wrong_creates_nothing(world, create):
    for change, word in WRONG:
        schedule = {**HOTEL, **change}
        result = create(schedule)
        assert result.code == 2 and result.err.count("\n") == 1 and word in result.err, \
            (change, result)
    for schedule in ("{", "[]", "7"):
        assert create(schedule).code == 2
    assert world.ctl("series", "create").code == 2
    assert world.ctl("series", "create", "--file", "/nowhere.json").code == 2
    twice = create({**HOTEL, "rooms": [{"slug": "room-12"}, {"slug": "room-12"}]})
    assert twice.code == 1 and "nothing was created" in twice.err
    assert world.value("SELECT count(*) FROM shows") == 0


def test_a_series_stays_on_one_partition(world, create):
    assert create(HOTEL).code == 0
    later = {**HOTEL, "days": {"from": "2035-05-06", "to": "2035-05-07"}}
    elsewhere = create({**later, "partition": 1})
    assert elsewhere.code == 1 and elsewhere.err.count("\n") == 1, elsewhere
    assert "room-12-20350503 is on partition 2" in elsewhere.err
    assert world.value("SELECT count(*) FROM shows") == 6
    assert create(later).code == 0
    assert create(later).code == 1
    again = create({**HOTEL, "days": {"from": "2035-05-05", "to": "2035-05-08"}}, "--if-absent")
    assert again.code == 0 and "2 shows created, 6 were there already" in again.out, again
    assert world.value("SELECT count(DISTINCT partition) FROM shows") == 1


def test_a_show_tells_its_series_and_is_found_by_it(world, create):
    assert create({**HOTEL, "partition": 1}).code == 0
    world.show("gala", {"GA": (0, 5)}, series="spring", starts_at="2035-04-01T18:00:00Z",
               ends_at="2035-04-01T22:00:00Z")
    world.show("alone", {"GA": (0, 5)})
    client = world.start().client()
    room = client.get("/v1/shows/room-12-20350503").json
    assert room["series"] == "sea-view"
    assert room["starts_at"] == "2035-05-03T13:00:00.000Z"
    assert room["ends_at"] == "2035-05-04T09:00:00.000Z"
    alone = client.get("/v1/shows/alone").json
    assert alone["series"] is None and alone["ends_at"] is None

    def found(query):
        return [show["slug"] for show in client.get("/v1/shows?" + query).json["shows"]]
    assert found("series=spring") == ["gala"]
    assert found("series=sea-view&from=2035-05-05") == ["room-12-20350505", "room-14-20350505"]
    assert len(found("series=sea-view")) == 6 and found("series=none") == []
    assert client.get("/v1/shows?series=" + 65 * "a").status == 400
    world.judge()
