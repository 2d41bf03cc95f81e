// What somebody has booked: newest first, with what can still be done.

import { Refused } from "../api.js";
import { isLive, refundText, seatText, statusPill } from "../booking.js";
import { command } from "../command.js";
import { announce, el, replace } from "../dom.js";
import { load } from "../load.js";
import { myName, setMyName } from "../me.js";
import { amount } from "../money.js";
import { longDate, shortDate } from "../time.js";
import { sentence, standing } from "../words.js";

class Bookings {
    constructor(main) {
        this.name = el("input", { name: "user", autocomplete: "email", maxlength: 128,
            value: myName(), placeholder: "you@example.com" });
        this.list = el("div", { class: "bookings" });
        this.more = el("div", { class: "more" });
        this.shows = new Map();
        replace(main, el("h1", {}, "My bookings"),
            el("form", { class: "search", on: { submit: (event) => {
                event.preventDefault();
                setMyName(this.name.value);
                this.ask();
            } } }, el("label", {}, "E-mail address they were made with", this.name),
            el("button", { class: "main" }, "Show")),
            this.list, this.more);
        document.title = "My bookings · Box office";
    }

    async ask(cursor) {
        if (!myName()) {
            replace(this.list, el("p", { class: "note" },
                "Say who you are, and your bookings are listed here."));
            return;
        }
        const words = new URLSearchParams(cursor ? { cursor } : {});
        try {
            const found = await load(`/v1/users/${encodeURIComponent(myName())}/bookings?${words}`);
            await this.loadShows(found.bookings);
            this.tell(found, Boolean(cursor));
        } catch (error) {
            if (!(error instanceof Refused))
                throw error;
            replace(this.list, el("p", { class: "note bad", role: "alert" },
                sentence(error.problem)));
        }
    }

    async loadShows(bookings) {
        const slugs = [...new Set(bookings.map((booking) => booking.show))]
            .filter((slug) => !this.shows.has(slug));
        await Promise.all(slugs.map(async (slug) => this.shows.set(slug,
            await load(`/v1/shows/${encodeURIComponent(slug)}`))));
    }

    tell(found, isMore) {
        const cards = found.bookings.map((booking) => this.card(booking));
        if (isMore)
            this.list.append(...cards);
        else if (cards.length > 0)
            replace(this.list, cards);
        else
            replace(this.list, el("p", { class: "note" }, "No bookings under this address yet. ",
                el("a", { href: "/" }, "See what’s on.")));
        replace(this.more, found.next && el("button",
            { on: { click: () => this.ask(found.next) } }, "Earlier bookings"));
    }

    card(booking) {
        const element = el("article", { "data-booking": booking.id });
        this.draw(element, booking);
        return element;
    }

    draw(element, booking, note) {
        const show = this.shows.get(booking.show);
        const href = `/shows/${encodeURIComponent(booking.show)}`;
        element.className = `card booking ${isLive(booking) ? "" : "past"}`;
        replace(element,
            el("div", { class: "stack tight" },
                el("h2", {}, el("a", { href }, show.name)),
                el("p", { class: "quiet" }, longDate(show.starts_at)),
                el("p", {}, seatText(booking),
                    booking.quantity > 0 && booking.amount > 0 &&
                    ` · ${amount(booking.amount, booking.currency)}`)),
            el("div", { class: "stack tight" }, el("div", {}, statusPill(booking.status)),
                el("p", { class: "quiet small" }, `Booked ${shortDate(booking.created_at)}`)),
            el("p", { class: "mono quiet" }, booking.id),
            note && el("p", { class: `note ${note.kind}`, role: "status" }, note.text),
            el("div", { class: "acts" },
                booking.status === "HELD" && el("a", { class: "button main", href,
                    on: { click: () => localStorage.setItem(`usher.booking.${booking.show}`,
                        booking.id) } }, "Finish booking"),
                booking.status === "CONFIRMED" && this.cancelButton(element, booking)));
    }

    /* Asked twice: what is given back may be gone the next moment. */
    cancelButton(element, booking) {
        const button = el("button", { type: "button" }, "Cancel booking");
        button.addEventListener("click", () => {
            if (button.dataset.sure) {
                this.cancel(element, booking);
                return;
            }
            button.dataset.sure = "1";
            button.textContent = "Yes, give the places back";
            button.classList.add("main");
        });
        button.addEventListener("blur", () => {
            delete button.dataset.sure;
            button.textContent = "Cancel booking";
            button.classList.remove("main");
        });
        return button;
    }

    async cancel(element, booking) {
        const path = `/v1/bookings/${booking.id}`;
        try {
            await command(`cancel:${booking.id}`, `${path}/cancel`, { user: booking.user },
                { onState: (state) => this.draw(element, booking,
                    { kind: "wait", text: standing(state) }) });
            const now = await load(path);
            const text = `Cancelled. ${refundText(now)}`;
            this.draw(element, now, { kind: "good", text });
            announce(text);
        } catch (error) {
            if (!(error instanceof Refused))
                throw error;
            this.draw(element, await load(path), { kind: "bad", text: sentence(error.problem) });
        }
    }
}

export async function show(main) {
    await new Bookings(main).ask();
}
