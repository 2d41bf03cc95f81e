// The waiting room of a show, as a panel: joining, the place and how it moves, one's turn.

import { get, Refused } from "./api.js";
import { command } from "./command.js";
import { reportConnection } from "./connection.js";
import { announce, el, replace, setText } from "./dom.js";
import { myName, setMyName } from "./me.js";
import { count } from "./money.js";
import { dropTicket, keepTicket, keptTicket } from "./ticket.js";
import { clockTime, longDate, roughly, serverNow, span } from "./time.js";
import { sentence, standing } from "./words.js";

const POLL_LEAST_MS = 1000;
const ROOM_POLL_MS = 5000;
const SPREAD = 0.25;         // so that a thousand pages do not ask in the same moment
const TICK_MS = 500;

export class Room {
    /** `on.changed()`: whether one must wait, or may book, has changed. */
    constructor(show, on) {
        this.show = show;
        this.on = on;
        this.path = `/v1/shows/${encodeURIComponent(show.slug)}/queue`;
        this.state = { state: "off" };
        this.place = null;
        this.kept = keptTicket(show.slug);
        this.build();
        setInterval(() => this.tick(), TICK_MS);
    }

    /* ---- what the page asks ---- */

    get mustWait() {
        return this.state.state !== "off" && !this.isAdmitted;
    }

    get isAdmitted() {
        return Boolean(this.place?.admission) &&
            Date.parse(this.place.admission_expires_at) > serverNow();
    }

    /** What a booking must carry. */
    get headers() {
        return this.isAdmitted ? { "Usher-Admission": this.place.admission } : {};
    }

    get user() {
        return this.kept?.user || "";
    }

    /* ---- asking ---- */

    /** Where it stands; afterwards it goes on by itself. */
    async begin() {
        this.isResting = false;
        await this.look();
        this.again();
    }

    /** Asks no more until begin(): who has booked has used the place, and it is gone. */
    rest() {
        this.isResting = true;
    }

    async goOn() {
        if (!this.isResting)
            await this.begin();
    }

    async look() {
        try {
            if (this.kept)
                await this.lookAtPlace();
            else
                this.hear(await get(this.path));
            reportConnection("room", true);
        } catch (error) {
            if (error instanceof Refused && (error.status === 410 || error.status === 404))
                this.forget(error.status === 410);
            else if (error instanceof Refused)
                this.late = true;
            else
                reportConnection("room", false);
        }
    }

    async lookAtPlace() {
        const place = await get(`/v1/queue/${encodeURIComponent(this.kept.ticket)}`);
        this.take(place);
    }

    again() {
        clearTimeout(this.timer);
        const wait = Math.max(this.kept ? this.place?.poll_ms || POLL_LEAST_MS : ROOM_POLL_MS,
            POLL_LEAST_MS);
        this.timer = setTimeout(() => this.goOn(), wait * (1 + Math.random() * SPREAD));
    }

    /** The room, without a place of one's own. */
    hear(room) {
        this.state = room;
        this.draw();
        this.on.changed();
    }

    /** An event of the stream: everybody hears it; whose turn it is asks for the rest. */
    hearEvent(event) {
        if (event.state === "off" !== (this.state.state === "off")) {
            this.goOn();
            return;
        }
        Object.assign(this.state, { serving: event.serving, rate: event.rate, left: event.left,
            joined: event.joined });
        if (this.place?.number) {
            this.place.place = Math.max(0, this.place.number - event.serving);
            this.place.left = event.left;
            if (this.place.place === 0 && !this.isAdmitted)
                setTimeout(() => this.goOn(), Math.random() * POLL_LEAST_MS);
        } else if (this.place && event.serving > 0) {
            setTimeout(() => this.goOn(), Math.random() * POLL_LEAST_MS); // it was drawn
        }
        this.draw();
    }

    take(place) {
        const was = this.place;
        this.place = place;
        this.state = { ...place, state: place.state };
        if (place.state === "off") {
            this.forget(false);
            return;
        }
        if (place.place > 0 && !(this.kept.from >= place.place)) {
            this.kept.from = place.place;
            keepTicket(this.show.slug, this.kept);
        }
        if (this.isAdmitted && !was?.admission)
            announce("It is your turn. You can book now.");
        this.draw();
        this.on.changed();
    }

    forget(hasPassed) {
        dropTicket(this.show.slug);
        this.kept = null;
        this.place = null;
        this.hasPassed = hasPassed;
        get(this.path).then((room) => this.hear(room), () => {});
    }

    async join() {
        if (!this.name.value.trim()) {
            this.say("Please say who you are: your e-mail address is enough.");
            this.name.focus();
            return;
        }
        setMyName(this.name.value);
        this.joinButton.disabled = true;
        this.say("");
        try {
            const { body } = await command(`join:${this.show.slug}`, this.path,
                { user: myName() }, { onState: (state) => state.kind !== "asking" &&
                    this.say(standing(state), "wait") });
            this.say("");
            if (body.ticket) {
                this.kept = { ticket: body.ticket, user: myName(), from: body.place };
                keepTicket(this.show.slug, this.kept);
                announce("You have a place in the waiting room.");
            }
            this.take(body);
            this.again();
        } catch (error) {
            if (!(error instanceof Refused))
                throw error;
            this.say(sentence(error.problem));
        } finally {
            this.joinButton.disabled = false;
        }
    }

    leave() {
        this.forget(false);
        this.again();
    }

    /* ---- the panel ---- */

    build() {
        this.name = el("input", { name: "room-user", autocomplete: "email", maxlength: 128,
            value: myName(), placeholder: "you@example.com" });
        this.note = el("p", { class: "note bad", role: "alert", hidden: true });
        this.joinButton = el("button", { class: "main big full", type: "submit" },
            "Join the waiting room");
        this.big = el("p", { class: "place" }, "–");
        this.line = el("p", {});
        this.bar = el("span", {});
        const fact = (label) => {
            const value = el("dd", {}, "–");
            return { value, element: el("div", {}, el("dt", {}, label), value) };
        };
        this.facts = { wait: fact("Your turn"), left: fact("Places left"), rate: fact("A minute") };
        this.body = el("div", { class: "stack" });
        this.element = el("section", { class: "card pad stack", "aria-label": "Waiting room" },
            el("h2", {}, "Waiting room"), this.body);
    }

    say(text, kind = "bad") {
        setText(this.note, text);
        this.note.className = `note ${kind}`;
        this.note.hidden = !text;
    }

    draw() {
        const mode = this.kept ? "place" : "join";
        if (this.mode !== mode) {
            this.mode = mode;
            replace(this.body, mode === "place" ? this.drawPlace() : this.drawJoin());
        }
        if (mode === "place")
            this.fillPlace();
        else
            this.fillJoin();
        this.tick();
    }

    drawJoin() {
        return [this.line, el("form", { class: "stack", novalidate: true,
            on: { submit: (event) => { event.preventDefault(); this.join(); } } },
        el("label", {}, "Your e-mail address", this.name), this.note, this.joinButton),
        el("p", { class: "quiet small" }, "One place for each person. You can close this page ",
            "and come back: your place is kept on this device."), this.drawLink()];
    }

    fillJoin() {
        const room = this.state, words = [];
        if (this.hasPassed)
            words.push("Your turn has passed: who does not come gives the place on. You can join again.");
        else if (room.state === "sold_out")
            words.push("Sold out. If places come back, people in the waiting room hear first.");
        else if (room.state === "before")
            words.push(`The doors open in ${span(Date.parse(room.opens_at) - serverNow())}, ` +
                `${longDate(room.opens_at)}.`, room.order === "draw"
                ? "Everybody who is here by then is drawn: being early is no advantage, being here is."
                : "First come, first served.");
        else
            words.push("Many people want to come. They are let in one after the other, so that " +
                "everybody who is in can choose at leisure.");
        setText(this.line, words.join(" "));
    }

    drawPlace() {
        return el("div", { class: "room" }, this.big, this.line,
            el("div", { class: "bar", "aria-hidden": "true" }, this.bar),
            el("dl", {}, Object.values(this.facts).map((fact) => fact.element)),
            this.note,
            el("p", { class: "quiet small" }, "Stay, or close this page and come back: your place ",
                "is kept on this device."),
            el("div", { class: "row" }, this.drawLink(),
                el("button", { class: "plain small", type: "button",
                    on: { click: () => this.leave() } }, "Give up my place")));
    }

    drawLink() {
        return this.state.order === "draw" && el("a", { class: "small",
            href: `/draw/${encodeURIComponent(this.show.slug)}` }, "How it is drawn");
    }

    fillPlace() {
        const place = this.place;
        if (!place)
            return;
        const facts = this.facts, here = place.place;
        setText(facts.left.value, place.left === undefined ? "–" : count(place.left));
        setText(facts.rate.value, this.state.paused ? "paused" : place.rate ? count(place.rate) : "–");
        setText(facts.wait.value, place.eta_ms > 0 ? `~ ${clockTime(serverNow() + place.eta_ms)}` : "–");
        if (place.state === "sold_out") {
            setText(this.big, "Sold out");
            setText(this.line, "All places are gone. Stay if you like: places that come back go on " +
                "in the same order.");
        } else if (place.state === "draw") {
            setText(this.line, `You are in, as number ${count(place.arrival)} to come. The order ` +
                "is drawn when the doors open; being early is no advantage.");
        } else if (here > 0) {
            setText(this.big, count(here));
            setText(this.line, here === 1 ? "You are next." : this.state.paused
                ? "is your place. It is paused for a moment and goes on by itself."
                : `is your place${place.eta_ms ? `: ${roughly(place.eta_ms)} to go` : ""}.`);
        }
        const from = this.kept.from || here || 1;
        this.bar.style.setProperty("--part", place.state === "draw" ? "0%"
            : `${Math.max(2, 100 * (1 - (here || 0) / (from + 1)))}%`);
    }

    /* What counts down between two answers. */
    tick() {
        if (this.mode === "join" && this.state.state === "before")
            this.fillJoin(); // it counts down
        const opens = this.place?.state === "draw" && Date.parse(this.place.opens_at);
        if (opens)
            setText(this.big, span(opens - serverNow()));
        if (this.place?.admission && !this.isAdmitted && !this.isAsking) {
            this.isAsking = true;
            this.goOn().finally(() => { this.isAsking = false; });
        }
    }
}
