// What an operator can do about a show: open, pause and close it, its stock, its waiting room.

import { get, Refused } from "./api.js";
import { command } from "./command.js";
import { announce, el, replace, setText } from "./dom.js";
import { plural } from "./money.js";
import { sentence, standing } from "./words.js";

const STATES = { open: ["good", "On sale"], paused: ["wait", "Paused"], closed: ["bad", "Closed"],
    draft: ["", "Draft"] };
const RATE_MAX = 1000000;

export class Orders {
    /** `done()`: something was decided. */
    constructor({ token, done }) {
        this.token = token;
        this.done = done;
        this.state = el("div", { class: "row" });
        this.note = el("p", { class: "note", role: "status", hidden: true });
        this.tier = el("select", { name: "tier", on: { change: () => this.drawAmount() } });
        this.quantity = el("input", { name: "quantity", type: "number", min: 1, value: 10 });
        this.seats = el("input", { name: "seats", placeholder: "A-1, A-2", autocomplete: "off" });
        this.amount = el("label", {});
        this.rate = el("input", { name: "rate", type: "number", min: 1, max: RATE_MAX });
        this.room = el("form", { class: "stack", hidden: true, novalidate: true,
            on: { submit: (event) => { event.preventDefault(); this.setRate(); } } });
        const stock = (action, text) => el("button", { type: "button", value: action,
            on: { click: () => this.stock(action) } }, text);
        this.adding = stock("add", "Add");
        this.removing = stock("remove", "Remove");
        this.element = el("section", { class: "card pad stack", "aria-label": "Orders" },
            el("h2", {}, "Orders"), this.note,
            el("div", { class: "grid" },
                el("div", { class: "half stack" }, el("h3", {}, "Stock"),
                    el("div", { class: "formrow" }, el("label", {}, "Price", this.tier), this.amount),
                    el("div", { class: "row" }, this.adding, this.removing,
                        stock("block", "Block"), stock("unblock", "Unblock"))),
                el("div", { class: "half stack" }, this.room)));
    }

    choose(show) {
        this.show = show;
        this.path = `/v1/admin/shows/${encodeURIComponent(show.slug)}`;
        replace(this.tier, show.tiers.map((tier) => el("option", { value: tier.tier }, tier.tier)));
        this.note.hidden = true;
        this.drawAmount();
        this.lookAtRoom();
    }

    get isSeated() {
        return Boolean(this.show.tiers.find((tier) => tier.tier === this.tier.value)?.seats);
    }

    /* Numbered seats are named; counted places are so many. */
    drawAmount() {
        replace(this.amount, this.isSeated ? "Seats" : "Places",
            this.isSeated ? this.seats : this.quantity);
        this.adding.hidden = this.removing.hidden = this.isSeated;
    }

    /** Its statistics. */
    hear(statistics) {
        if (this.known === statistics.state && this.knownSlug === this.show.slug)
            return;
        this.known = statistics.state;
        this.knownSlug = this.show.slug;
        const [kind, word] = STATES[statistics.state] || ["", statistics.state];
        const act = (action, text, isMain) => el("button", { type: "button", value: action,
            class: isMain ? "main" : null, on: { click: () => this.order(action, text) } }, text);
        const isOpen = statistics.state === "open";
        replace(this.state, el("span", { class: `pill ${kind}`, "data-sale": statistics.state }, word),
            isOpen ? act("pause", "Pause the sale") : act("open", "Open the sale", true),
            statistics.state !== "closed" && act("close", "Close the sale"));
    }

    say(text, kind = "bad") {
        setText(this.note, text);
        this.note.className = `note ${kind}`;
        this.note.hidden = !text;
    }

    /* One order at a time; its name goes with its key, so that a lost answer is no second order. */
    async send(name, path, body, words, method = "POST") {
        if (this.isBusy)
            return false;
        this.isBusy = true;
        this.say("One moment…", "wait");
        try {
            await command(`admin:${name}:${this.show.slug}`, path, body, { token: this.token, method,
                onState: (state) => state.kind !== "asking" && this.say(standing(state), "wait") });
            this.say(words, "good");
            announce(words);
            this.done();
            return true;
        } catch (error) {
            if (!(error instanceof Refused))
                throw error;
            const detail = error.problem.detail;
            this.say(error.code === "INVALID" && detail ? detail : sentence(error.problem));
            return false;
        } finally {
            this.isBusy = false;
        }
    }

    order(action, text) {
        const words = { open: "The sale is open.", pause: "The sale is paused: what is held can " +
            "still be paid.", close: "The sale is closed." }[action];
        return this.send(action, `${this.path}/${action}`, { reason: text }, words);
    }

    stock(action) {
        const tier = this.tier.value;
        const seats = this.seats.value.split(/[\s,]+/).filter(Boolean);
        const quantity = Number(this.quantity.value);
        if (this.isSeated ? seats.length === 0 : !(quantity >= 1)) {
            this.say(this.isSeated ? "Please name the seats." : "Please say how many places.");
            return;
        }
        const what = this.isSeated ? plural(seats.length, "seat", "seats")
            : `${plural(quantity, "place", "places")} of ${tier}`;
        const verb = { add: "added", remove: "removed", block: "blocked", unblock: "unblocked" }[action];
        this.send(action, `${this.path}/inventory/${action}`,
            this.isSeated ? { seats } : { tier, quantity }, `${what} ${verb}.`);
    }

    /* ---- the waiting room ---- */

    async lookAtRoom() {
        const slug = this.show.slug;
        const room = await get(`/v1/shows/${encodeURIComponent(slug)}/queue`)
            .catch(() => ({ state: "off" }));
        if (slug !== this.show.slug)
            return;
        this.room.hidden = room.state === "off";
        this.rate.value = room.rate || "";
        this.isPaused = room.paused;
        replace(this.room, el("h3", {}, "Waiting room"), el("div", { class: "formrow" },
            el("label", {}, "People let in a minute", this.rate),
            el("button", { type: "submit" }, "Set the rate")),
        el("div", { class: "row" }, el("button", { type: "button", value: "room-pause",
            on: { click: () => this.pauseRoom() } }, this.isPaused ? "Let people in again"
            : "Let nobody in for now"),
        el("a", { href: `/draw/${encodeURIComponent(slug)}` }, "The draw")));
    }

    async setRate() {
        const rate = Number(this.rate.value);
        if (!(rate >= 1 && rate <= RATE_MAX)) {
            this.say(`The rate must be a number from 1 to ${RATE_MAX}.`);
            return;
        }
        await this.send("room", `${this.path}/room`, { rate }, `${rate} people a minute are let in.`);
        this.lookAtRoom();
    }

    async pauseRoom() {
        const paused = !this.isPaused;
        await this.send("room", `${this.path}/room`, { paused },
            paused ? "Nobody is let in for now." : "People are let in again.");
        this.lookAtRoom();
    }
}
