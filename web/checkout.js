// From a hold to a ticket: time, price, paying, and what became of it. A panel for one booking.

import { get, Refused } from "./api.js";
import { priceLines, refundText, seatText } from "./booking.js";
import { begun, command } from "./command.js";
import { Countdown } from "./countdown.js";
import { announce, el, pause, replace } from "./dom.js";
import { load } from "./load.js";
import { amount } from "./money.js";
import { longDate } from "./time.js";
import { sentence, standing } from "./words.js";

const LOOK_MS = 700;
const LOOKS_AFTER_END = 20;

export class Checkout {
    /** `on`: {changed(booking), left()}: left when the visitor wants to choose anew. */
    constructor(show, booking, on) {
        this.show = show;
        this.booking = booking;
        this.on = on;
        this.note = null;
        this.element = el("section", { class: "card pad stack", "aria-label": "Your booking",
            tabindex: -1 });
        this.path = `/v1/bookings/${encodeURIComponent(booking.id)}`;
        this.draw();
        this.resume();
    }

    /* A payment that was under way when the page was left. */
    resume() {
        const pay = begun(`pay:${this.booking.id}`);
        if (this.booking.status === "PENDING")
            this.follow();
        else if (pay && this.booking.status === "HELD")
            this.pay(pay.body);
    }

    close() {
        this.countdown?.stop();
        this.isClosed = true;
    }

    set(booking) {
        this.booking = { ...this.booking, ...booking };
        this.on.changed(this.booking);
        this.draw();
    }

    say(text, kind = "bad") {
        this.note = text ? { text, kind } : null;
        this.draw();
        if (text)
            announce(text);
    }

    draw() {
        const parts = { HELD: () => this.held(), PENDING: () => this.pending(),
            CONFIRMED: () => this.confirmed(), EXPIRED: () => this.over(sentence({
                code: "HOLD_EXPIRED" })), FAILED: () => this.over(sentence({
                code: "PAYMENT_FAILED" })), CANCELLED: () => this.over(
                `Cancelled. ${refundText(this.booking) || "Nothing was charged."}`) };
        if (this.booking.status !== "HELD")
            this.countdown?.stop();
        this.element.dataset.status = this.booking.status;
        this.element.classList.toggle("ticket", this.booking.status === "CONFIRMED");
        replace(this.element, parts[this.booking.status]());
    }

    message() {
        return this.note && el("p", { class: `note ${this.note.kind}`,
            role: this.note.kind === "bad" ? "alert" : "status" }, this.note.text);
    }

    get costs() {
        return this.booking.amount > 0;
    }

    /* ---- held ---- */

    held() {
        if (this.countdown?.end !== Date.parse(this.booking.expires_at)) {
            this.countdown?.stop();
            this.countdown = new Countdown(this.booking.created_at, this.booking.expires_at,
                () => this.expired());
        }
        const price = amount(this.booking.amount, this.booking.currency);
        const mayOwe = this.costs && this.show.rules.payment === "optional";
        const busy = Boolean(this.doing);
        const act = (name, text, run, kind = "") => el("button", { class: kind, disabled: busy,
            "aria-busy": this.doing === name ? "true" : null, type: "button",
            on: { click: run } }, text);
        return [el("h2", {}, "Held for you"), this.countdown.element,
            el("p", {}, el("b", {}, seatText(this.booking))), priceLines(this.booking),
            el("div", { class: "total" }, el("span", {}, "Total"),
                el("b", {}, this.costs ? price : "Free")),
            this.message(),
            this.costs ? act("pay", `Pay ${price}`, () => this.pay({ user: this.booking.user }),
                "main big full")
                : act("confirm", "Confirm", () => this.confirm(), "main big full"),
            mayOwe && act("confirm", "Confirm now, pay at the door", () => this.confirm(), "full"),
            el("div", { class: "row apart" },
                !this.hasExtended && act("extend", "More time", () => this.extend(), "plain"),
                act("cancel", "Give back", () => this.cancel(), "plain"))];
    }

    async do(name, run) {
        if (this.doing)
            return;
        this.doing = name;
        this.say("");
        try {
            await run((state) => {
                if (state.kind !== "asking")
                    this.say(standing(state), "wait");
            });
        } catch (error) {
            this.refused(error);
        } finally {
            this.doing = null;
            if (!this.isClosed)
                this.draw();
        }
    }

    async refused(error) {
        if (!(error instanceof Refused))
            throw error;
        this.say(sentence(error.problem));
        await this.look();
    }

    /** How it stands now. */
    async look() {
        const booking = await load(this.path);
        if (booking.status !== this.booking.status || booking.status !== "HELD")
            this.note = booking.status === "HELD" ? this.note : null;
        this.set(booking);
        return booking;
    }

    pay(body) {
        return this.do("pay", async (onState) => {
            const name = `pay:${this.booking.id}`;
            const { body: payment } = await command(name, `${this.path}/payments`, body,
                { onState });
            this.note = null;
            this.set({ status: payment.booking_status });
            if (payment.booking_status === "PENDING")
                this.follow();
            else
                await this.look();
            announce(payment.booking_status === "CONFIRMED" ? "Paid. Your booking is confirmed."
                : sentence({ code: "PAYMENT_FAILED" }));
        });
    }

    confirm() {
        return this.do("confirm", async (onState) => {
            const { body } = await command(`confirm:${this.booking.id}`, `${this.path}/confirm`,
                { user: this.booking.user }, { onState });
            this.note = null;
            this.set(body);
            announce("Confirmed.");
        });
    }

    extend() {
        return this.do("extend", async (onState) => {
            const { body } = await command(`extend:${this.booking.id}`, `${this.path}/extend`,
                { user: this.booking.user }, { onState });
            this.hasExtended = true;
            this.note = null;
            this.set(body);
            announce("You have more time.");
        });
    }

    cancel() {
        return this.do("cancel", async (onState) => {
            const { body } = await command(`cancel:${this.booking.id}`, `${this.path}/cancel`,
                { user: this.booking.user }, { onState });
            this.note = null;
            this.set(body);
            await this.look();
            announce("Cancelled.");
        });
    }

    /* The clock says it is over; the server has the word. */
    async expired() {
        for (let i = 0; i < LOOKS_AFTER_END && !this.isClosed && !this.doing; i++) {
            const booking = await this.look();
            if (booking.status !== "HELD" ||
                Date.parse(booking.expires_at) !== this.countdown.end)
                break;
            await pause(LOOK_MS);
        }
        if (this.booking.status === "EXPIRED")
            announce(sentence({ code: "HOLD_EXPIRED" }));
    }

    /* ---- afterwards ---- */

    pending() {
        return [el("h2", {}, "Your payment is being made"),
            el("p", {}, "Please stay a moment. You are charged once, even if you leave or " +
                "reload this page; your seats are safe until it is settled."),
            el("p", {}, el("b", {}, seatText(this.booking))), priceLines(this.booking),
            el("div", { class: "total" }, el("span", {}, "Total"),
                el("b", {}, amount(this.booking.amount, this.booking.currency))),
            el("div", { class: "row" }, el("button", { class: "main big full", disabled: true,
                "aria-busy": "true" }, "Waiting for the bank"))];
    }

    async follow() {
        for (let wait = LOOK_MS; !this.isClosed; wait = Math.min(wait * 1.3, 5000)) {
            await pause(wait);
            const booking = await load(this.path);
            if (booking.status !== "PENDING") {
                this.set(booking);
                announce(booking.status === "CONFIRMED" ? "Paid. Your booking is confirmed."
                    : sentence({ code: "PAYMENT_FAILED" }));
                return;
            }
        }
    }

    confirmed() {
        const paid = this.booking.payment?.status === "SUCCEEDED";
        const owes = this.costs && !paid;
        return [el("p", { class: "pill good" }, paid ? "Paid and confirmed" : "Confirmed"),
            el("h2", {}, "See you there"),
            el("p", { class: "seatnames" }, seatText(this.booking)),
            el("dl", { class: "facts-list" },
                el("dt", {}, "Show"), el("dd", {}, this.show.name),
                el("dt", {}, "When"), el("dd", {}, longDate(this.show.starts_at)),
                el("dt", {}, "For"), el("dd", {}, this.booking.user),
                el("dt", {}, owes ? "To pay" : "Paid"), el("dd", {},
                    this.costs ? amount(this.booking.amount, this.booking.currency) : "Free"),
                el("dt", {}, "Booking"), el("dd", { class: "mono" }, this.booking.id)),
            owes && el("p", { class: "note" }, "Please pay at the door."),
            this.message(),
            el("div", { class: "row apart" },
                el("button", { class: "main", type: "button", on: { click: this.on.left } },
                    "Book more"),
                el("a", { href: "/bookings" }, "My bookings"))];
    }

    over(text) {
        return [el("h2", {}, this.booking.status === "EXPIRED" ? "Your time ran out"
            : this.booking.status === "FAILED" ? "The payment failed" : "Given back"),
        el("p", { class: "note", role: "status" }, text), this.message(),
        el("p", { class: "quiet" }, seatText(this.booking)),
        el("button", { class: "main big full", type: "button", on: { click: this.on.left } },
            "Choose again")];
    }
}

/** The visitor's booking of this show that is not finished, or null. */
export async function unfinished(slug) {
    const id = localStorage.getItem(`usher.booking.${slug}`);
    if (!id)
        return null;
    try {
        const booking = await get(`/v1/bookings/${encodeURIComponent(id)}`);
        return booking.status === "HELD" || booking.status === "PENDING" ? booking : null;
    } catch (error) {
        if (error instanceof Refused)
            return null;
        throw error;
    }
}

export function rememberBooking(slug, booking) {
    if (booking)
        localStorage.setItem(`usher.booking.${slug}`, booking.id);
    else
        localStorage.removeItem(`usher.booking.${slug}`);
}
