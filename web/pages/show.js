// One show: what there is, choosing, holding, paying; and the waiting room where there is one.

import { get, Refused } from "../api.js";
import { Checkout, rememberBooking, unfinished } from "../checkout.js";
import { choiceLines, Plan, Tiers } from "../choose.js";
import { begun, command } from "../command.js";
import { announce, el, pause, replace, setText } from "../dom.js";
import { Live } from "../live.js";
import { load } from "../load.js";
import { myName, setMyName } from "../me.js";
import { amount, count, plural } from "../money.js";
import { poster } from "../poster.js";
import { Room } from "../room.js";
import { longDate, serverNow, span } from "../time.js";
import { sentence, standing } from "../words.js";

const TICK_MS = 500;
const ROOM_MS = 1500;        // for word of the waiting room, before the page is shown without it
const OTHERS_MAX = 3;

function hero(show, left) {
    return el("div", { class: "hero" }, poster(show.series || show.slug),
        el("div", { class: "facts" },
            el("p", { class: "quiet small" }, show.category.replace(/^./, (c) => c.toUpperCase())),
            el("h1", {}, show.name),
            el("p", {}, longDate(show.starts_at)),
            left));
}

class ShowPage {
    constructor(show) {
        this.show = show;
        this.path = `/v1/shows/${encodeURIComponent(show.slug)}`;
        this.checkout = null;
        this.available = null;
        this.sale = null;
        this.left = el("p", { class: "quiet", "data-left": "" }, "\u00a0");
        const on = { changed: () => this.draw(), say: (text) => this.say(text),
            mayChoose: () => !this.checkout && !this.doing };
        this.isSeated = show.tiers.some((tier) => tier.seats);
        this.choose = this.isSeated ? new Plan(show, on) : new Tiers(show, on);
        this.side = el("div", { class: "side" });
        this.two = el("div", { class: "two" }, this.choose.element, this.side);
        this.room = new Room(show, { changed: () => this.roomChanged() });
        this.panel = this.makePanel();
        this.onward = el("div", { class: "onward", hidden: true }, el("span", { class: "grow" }),
            el("button", { type: "button", class: "main",
                on: { click: () => this.goToPanel() } }, "Continue"));
        this.put(this.panel);
    }

    /* Into the page, once it is known what stands where. */
    place(main) {
        replace(main, hero(this.show, this.left), this.two, this.onward);
        new IntersectionObserver(([entry]) => {
            this.seesPanel = entry.isIntersecting;
            this.drawOnward();
        }).observe(this.side);
        document.title = `${this.show.name} · Box office`;
    }

    /* What stands beside: a booking under way, the waiting room, or the choice. On a phone the
     * first two stand above. */
    put(element) {
        this.two.classList.toggle("first", element !== this.panel);
        if (this.side.firstChild !== element)
            replace(this.side, element);
    }

    roomChanged() {
        if (this.checkout)
            return;
        this.put(this.room.mustWait ? this.room.element : this.panel);
        if (this.room.user) {
            this.name.value = this.room.user;
            this.name.readOnly = this.room.isAdmitted; // the place is theirs alone
        }
        this.draw();
    }

    /* ---- the panel in which a choice becomes a hold ---- */

    makePanel() {
        this.name = el("input", { name: "user", autocomplete: "email", maxlength: 128,
            required: true, value: myName(), placeholder: "you@example.com",
            on: { change: () => setMyName(this.name.value) } });
        this.lines = el("div", {});
        this.sum = el("b", {}, "–");
        this.note = el("p", { class: "note bad", role: "alert", hidden: true });
        this.button = el("button", { class: "main big full", type: "submit" }, "Hold");
        this.alternatives = el("div", { class: "stack tight" });
        this.opens = el("p", { class: "note wait", hidden: true });
        return el("form", { class: "card pad stack", "aria-label": "Book", novalidate: true,
            on: { submit: (event) => { event.preventDefault(); this.hold(); } } },
        el("h2", {}, "Your choice"), this.opens, this.isSeated && this.makeBest(), this.lines,
        el("div", { class: "total" }, el("span", {}, "Total"), this.sum),
        el("label", {}, "Your e-mail address", this.name), this.note, this.alternatives,
        this.button,
        el("p", { class: "quiet small" }, "Your choice is held for ",
            span(this.show.rules.hold_seconds * 1000).replace(/:00$/, ""),
            " minutes while you finish. Nothing is charged yet."));
    }

    makeBest() {
        const most = Math.min(this.choose.most, 12);
        this.bestTier = el("select", { "aria-label": "Price" }, this.show.tiers.map((tier) =>
            el("option", { value: tier.tier }, `${tier.tier}, ` +
                (tier.price === 0 ? "free" : amount(tier.price, tier.currency)))));
        this.bestCount = el("select", { "aria-label": "How many" },
            Array.from({ length: most }, (_, n) => el("option", { value: n + 1,
                selected: n + 1 === Math.min(2, most) }, String(n + 1))));
        this.bestButton = el("button", { type: "button", class: "full",
            on: { click: () => this.best() } }, "Best available");
        return el("fieldset", { class: "fieldset" },
            el("legend", { class: "unseen" }, "The best seats that are available"),
            el("div", { class: "best" }, this.bestTier, this.bestCount), this.bestButton);
    }

    say(text, kind = "bad") {
        setText(this.note, text);
        this.note.className = `note ${kind}`;
        this.note.hidden = !text;
        if (!text)
            replace(this.alternatives);
    }

    get saleIsOpen() {
        const now = serverNow(), show = this.show;
        if (this.sale)
            return this.sale.state === "opened" || this.sale.state === "sold_out";
        return show.state === "open" && !(show.sales_open_at && Date.parse(show.sales_open_at) > now) &&
            !(show.sales_close_at && Date.parse(show.sales_close_at) <= now);
    }

    draw() {
        const choice = this.choose.choice, open = this.saleIsOpen;
        replace(this.lines, choiceLines(choice, this.choose, this.show.currency));
        setText(this.sum, choice ? (choice.amount === 0 ? "Free"
            : amount(choice.amount, this.show.currency)) : "–");
        setText(this.button, this.doing ? "Holding your places…" : "Hold these places");
        this.button.disabled = !choice || Boolean(this.doing) || !open;
        this.button.setAttribute("aria-busy", String(this.doing === "hold"));
        if (this.bestButton) {
            this.bestButton.disabled = Boolean(this.doing) || !open;
            this.bestButton.setAttribute("aria-busy", String(this.doing === "best"));
        }
        this.drawOnward();
        this.drawSale();
    }

    /* On a phone the panel is below: what is chosen stays in sight, and leads there. */
    drawOnward() {
        const choice = this.choose.choice;
        this.onward.hidden = !choice || this.seesPanel || this.side.firstChild !== this.panel;
        if (choice)
            setText(this.onward.firstChild, `${choice.lines.map((line) => line.text).join(", ")} · ` +
                (choice.amount === 0 ? "Free" : amount(choice.amount, this.show.currency)));
    }

    goToPanel() {
        this.side.scrollIntoView({ block: "start" });
        this.name.focus({ preventScroll: true });
    }

    drawSale() {
        const at = this.sale?.opens_at || this.show.sales_open_at;
        const now = serverNow();
        let text = "";
        if (!this.saleIsOpen && at && Date.parse(at) > now)
            text = `The sale opens in ${span(Date.parse(at) - now)}, ${longDate(at)}.`;
        else if (this.sale?.state === "paused")
            text = "The sale is paused for a moment. It goes on here by itself.";
        else if (!this.saleIsOpen)
            text = "The sale is closed.";
        else if (this.room.isAdmitted)
            text = `It is your turn. Book within ${span(Date.parse(
                this.room.place.admission_expires_at) - now)}.`;
        else if (this.available === 0)
            text = "Sold out for now. Places that are given back appear here by themselves.";
        setText(this.opens, text);
        this.opens.hidden = !text;
    }

    /* ---- holding ---- */

    get user() {
        setMyName(this.name.value);
        return myName();
    }

    hold() {
        const choice = this.choose.choice;
        if (choice)
            this.ask("hold", { ...choice.body });
    }

    best() {
        this.ask("best", { tier: this.bestTier.value, best: Number(this.bestCount.value) });
    }

    async ask(kind, body) {
        if (!this.user) {
            this.say("Please say who it is for: your e-mail address is enough.");
            this.name.focus();
            return;
        }
        await this.send(kind, { user: this.user, ...body, hold: true });
    }

    async send(kind, body) {
        this.doing = kind;
        this.say("");
        this.draw();
        try {
            const answer = await command(`hold:${this.show.slug}`, `${this.path}/bookings`, body, {
                headers: this.room.headers,
                onState: (state) => {
                    if (state.kind !== "asking")
                        this.say(standing(state), "wait");
                } });
            this.say("");
            this.begin(answer.body);
            announce("Held for you.");
        } catch (error) {
            if (!(error instanceof Refused))
                throw error;
            await this.refused(error, body);
        } finally {
            this.doing = null;
            this.draw();
        }
    }

    async refused(error, body) {
        this.say(sentence(error.problem));
        if (error.problem.conflicts)
            this.choose.takeAway(error.problem.conflicts);
        await this.refresh().catch(() => {});
        if (error.code === "QUEUE_REQUIRED")
            await this.room.begin();
        const wish = this.wishOf(error, body);
        if (wish)
            await this.tellAlternatives(wish);
    }

    /* What it is an alternative to, of a refusal for want of places. */
    wishOf(error, body) {
        if (error.code === "SEAT_TAKEN" && body.seats)
            return { tier: this.choose.tierOf(error.problem.conflicts[0]),
                quantity: body.seats.length };
        if (["SOLD_OUT", "NOT_ENOUGH"].includes(error.code) && body.tier)
            return { tier: body.tier, quantity: body.quantity || body.best };
        return null;
    }

    /* What there is instead: seats side by side, other prices, other dates of the series. */
    async tellAlternatives(wish) {
        const { alternatives } = await get(`${this.path}/alternatives?${new URLSearchParams(wish)}`)
            .catch(() => ({ alternatives: [] }));
        if (alternatives.length > 0)
            replace(this.alternatives, el("p", { class: "small" }, "There would be:"),
                el("ul", { class: "stack tight" }, alternatives.slice(0, OTHERS_MAX)
                    .map((other) => el("li", {}, this.alternative(other)))));
    }

    alternative(other) {
        const line = other.items[0];
        const text = `${line.quantity} × ${line.tier}, ` +
            `${line.price === 0 ? "free" : amount(line.price, other.currency)} each`;
        if (other.kind === "seats")
            return el("button", { type: "button", class: "full", on: { click: () => {
                this.say("");
                this.choose.take(other.seats);
            } } }, `Take ${other.seats.join(", ")} instead`);
        return other.kind === "tier" ? text
            : el("a", { href: `/shows/${encodeURIComponent(other.show)}` },
                `${longDate(other.starts_at)}: ${text}`);
    }

    /* ---- a booking under way ---- */

    begin(booking) {
        rememberBooking(this.show.slug, booking);
        this.room.rest();
        this.choose.clear();
        this.choose.setMine(booking.seats || []);
        this.checkout = new Checkout(this.show, booking, { changed: (now) => this.changed(now),
            left: () => this.leave() });
        this.put(this.checkout.element);
        this.checkout.element.focus({ preventScroll: true });
        const box = this.side.getBoundingClientRect();
        if (box.top < 0 || box.top > innerHeight * 0.6)
            this.side.scrollIntoView({ block: "start" });
    }

    changed(booking) {
        const isMine = ["HELD", "PENDING", "CONFIRMED"].includes(booking.status);
        this.choose.setMine(isMine ? booking.seats || [] : []);
        if (!["HELD", "PENDING"].includes(booking.status))
            rememberBooking(this.show.slug, null);
    }

    leave() {
        this.checkout.close();
        this.checkout = null;
        this.choose.setMine([]);
        this.choose.clear();
        this.say("");
        this.roomChanged();
        this.room.begin();
        this.refresh().catch(() => {});
    }

    /* ---- what happens meanwhile ---- */

    hearAvailability(event) {
        const rows = Array.isArray(event.tiers)
            ? event.tiers.map((tier) => [tier.tier, tier]) : Object.entries(event.tiers);
        for (const [name, tier] of rows)
            this.choose.hear(name, tier);
        this.available = event.available;
        const capacity = rows.reduce((sum, [, tier]) => sum + tier.capacity, 0);
        setText(this.left, event.available === 0 ? "Sold out"
            : `${count(event.available)} of ${plural(capacity, "place", "places")} left`);
        this.draw();
    }

    async refresh() {
        const [availability] = await Promise.all([get(`${this.path}/availability`),
            this.choose.refresh()]);
        this.hearAvailability(availability);
    }

    follow() {
        const seats = (event) => this.isSeated &&
            this.choose.hearSeats(event).catch(() => {});
        this.live = new Live(this.show.slug, {
            availability: (event) => this.hearAvailability(event),
            sale: (event) => { this.sale = event; this.draw(); },
            queue: (event) => this.room.hearEvent(event),
            seats, resync: seats,
            poll: () => this.refresh(),
        });
        setInterval(() => this.drawSale(), TICK_MS);
    }

    async begun() {
        const waiting = begun(`hold:${this.show.slug}`);
        const booking = await unfinished(this.show.slug);
        if (booking)
            this.begin(booking);
        else if (waiting) // asked before a reload, and never answered: the same question again
            await this.send("hold", waiting.body);
    }
}

export async function show(main, slug) {
    let found;
    try {
        found = await load(`/v1/shows/${encodeURIComponent(slug)}`);
    } catch (error) {
        if (!(error instanceof Refused) || error.status >= 500)
            throw error;
        document.title = "Not here · Box office";
        replace(main, el("h1", {}, "There is no such show"), el("p", { class: "note" },
            "It may have been moved or renamed. ", el("a", { href: "/" }, "See what’s on.")));
        return;
    }
    const page = new ShowPage(found);
    const room = page.room.begin(); // it says what stands where
    await Promise.race([room, pause(ROOM_MS)]);
    page.place(main);
    page.draw();
    page.follow();
    await Promise.all([room, page.begun(),
        page.isSeated ? page.choose.load() : page.refresh().catch(() => {})]);
}
