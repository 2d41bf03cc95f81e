// Choosing what to book: tiers with steppers, or seats on the map. Both tell what is chosen as the
// body of a booking; the panel beside them does the rest.

import { announce, el, setText } from "./dom.js";
import { money, amount, count, plural } from "./money.js";
import { SeatList } from "./seatlist.js";
import { SeatMap } from "./seatmap.js";
import { AVAILABLE, Seats } from "./seats.js";

/** Tiers that are counted. */
export class Tiers {
    constructor(show, on) {
        this.show = show;
        this.on = on;
        this.quantities = new Map(show.tiers.map((tier) => [tier.tier, 0]));
        this.rows = new Map();
        this.element = el("section", { class: "tiers", "aria-label": "Prices and places" },
            show.tiers.map((tier) => this.row(tier)));
    }

    row(tier) {
        const less = el("button", { type: "button", "aria-label": `One ${tier.tier} less`,
            on: { click: () => this.add(tier.tier, -1) } }, "−");
        const more = el("button", { type: "button", "aria-label": `One ${tier.tier} more`,
            on: { click: () => this.add(tier.tier, 1) } }, "+");
        const row = { less, more, available: null, price: tier.price,
            output: el("output", { "aria-label": `${tier.tier} chosen` }, "0"),
            left: el("span", { class: "left" }, "…"), cost: el("span", { class: "price" },
                money(tier.price, tier.currency)),
            bar: el("span", {}) };
        row.element = el("div", { class: "card tier", "data-tier": tier.tier },
            el("div", {}, el("div", { class: "name" }, tier.tier), row.left), row.cost,
            el("div", { class: "stepper" }, less, row.output, more),
            el("div", { class: "bar", "aria-hidden": "true" }, row.bar));
        this.rows.set(tier.tier, row);
        return row.element;
    }

    get most() {
        const { max_per_booking: booking, max_per_user: user } = this.show.rules;
        return Math.min(booking, user ?? Infinity);
    }

    get total() {
        return [...this.quantities.values()].reduce((sum, n) => sum + n, 0);
    }

    add(name, n) {
        const row = this.rows.get(name), now = this.quantities.get(name) + n;
        if (now < 0 || (n > 0 && (this.total >= this.most || now > (row.available ?? Infinity))))
            return;
        this.quantities.set(name, now);
        this.look();
        this.on.changed();
    }

    hear(name, { available, capacity, price }) {
        const row = this.rows.get(name);
        if (!row)
            return;
        row.available = available;
        row.capacity = capacity;
        if (price !== undefined)
            row.price = price;
        if (this.quantities.get(name) > available) {
            this.quantities.set(name, available);
            announce(available === 0 ? `${name} has just sold out.`
                : `Only ${available} of ${name} are left.`);
            this.on.changed();
        }
        this.look();
    }

    look() {
        for (const [name, row] of this.rows) {
            const n = this.quantities.get(name), gone = row.available === 0;
            setText(row.output, String(n));
            setText(row.cost, money(row.price, this.show.currency));
            if (row.available !== null) {
                setText(row.left, gone ? "Sold out" : `${count(row.available)} left`);
                row.bar.style.setProperty("--part",
                    `${100 * row.available / Math.max(1, row.capacity)}%`);
            }
            row.element.classList.toggle("gone", gone);
            row.less.disabled = n === 0;
            row.more.disabled = gone || this.total >= this.most ||
                (row.available !== null && n >= row.available);
        }
    }

    /** What is chosen: null, or {body, lines: [{text, amount}], amount}. */
    get choice() {
        const lines = [...this.quantities].filter(([, n]) => n > 0);
        if (lines.length === 0)
            return null;
        const body = lines.length === 1 ? { tier: lines[0][0], quantity: lines[0][1] }
            : { items: lines.map(([tier, quantity]) => ({ tier, quantity })) };
        return { body, lines: lines.map(([tier, n]) => ({ text: `${n} × ${tier}`,
            amount: n * this.rows.get(tier).price })),
        amount: lines.reduce((sum, [tier, n]) => sum + n * this.rows.get(tier).price, 0) };
    }

    clear() {
        for (const name of this.quantities.keys())
            this.quantities.set(name, 0);
        this.look();
    }

    setMine() {}
    refresh() { return Promise.resolve(); }
}

/** Numbered seats. */
export class Plan {
    constructor(show, on) {
        this.show = show;
        this.on = on;
        this.prices = show.tiers.map((tier) => tier.price);
        this.chosen = new Set();
        this.mine = new Set();
        this.mineIds = [];
        this.seats = new Seats(show);
        const act = { choose: (i) => this.choose(i), describe: (i) => this.describe(i),
            price: (i) => this.describe(i) };
        this.map = new SeatMap(this.seats, { on: act, chosen: this.chosen, mine: this.mine });
        this.map.hint = "Choose your seats on the plan; zoom in for a closer look.";
        this.map.tell(-1);
        this.list = new SeatList(this.seats, { on: act, chosen: this.chosen });
        this.legend = el("div", { class: "legend" }, show.tiers.map((tier, n) =>
            el("span", {}, el("i", { vars: { tint: `var(--tier-${n % 6 + 1})` } }),
                `${tier.tier}, ${money(tier.price, tier.currency)}`)),
        el("span", {}, el("i", { class: "held" }), "Held by somebody"),
        el("span", {}, el("i", { class: "taken" }), "Taken"),
        el("span", {}, el("i", { class: "mine" }), "Yours"));
        this.element = el("section", { class: "card map", "aria-label": "Seats" },
            this.map.element, this.legend, this.list.element);
    }

    async load() {
        await this.seats.load(() => this.map.measure());
        this.map.measure();
        this.map.loading.remove();
        this.setMine(this.mineIds);
    }

    get most() {
        const { max_per_booking: booking, max_per_user: user } = this.show.rules;
        return Math.min(booking, user ?? Infinity);
    }

    describe(i) {
        const s = this.seats;
        const state = this.mine.has(i) ? "yours" : this.chosen.has(i) ? "chosen"
            : ["available", "held by somebody", "taken", "not sold"][s.status[i]];
        const price = money(this.prices[s.tier[i]], this.show.currency);
        return `${s.place(i)} · ${s.tierName(i)}, ${price} · ${state}` +
            (s.accessible.has(i) ? " · accessible" : "");
    }

    choose(i) {
        if (this.mine.has(i) || !this.on.mayChoose())
            return;
        if (this.chosen.has(i)) {
            this.chosen.delete(i);
        } else if (this.seats.status[i] !== AVAILABLE) {
            this.on.say(`Seat ${this.seats.ids[i]} is taken; please pick another one.`);
            return;
        } else if (this.chosen.size >= this.most) {
            this.on.say(`At most ${plural(this.most, "seat", "seats")} for one person: ` +
                "give one up first.");
            return;
        } else {
            this.chosen.add(i);
        }
        this.look();
        this.on.say("");
        this.on.changed();
    }

    drop(i) {
        this.chosen.delete(i);
        this.look();
        this.on.changed();
    }

    look() {
        this.map.draw();
        this.list.look();
    }

    hear(name, { price }) {
        const n = this.seats.tierNames.indexOf(name);
        if (n >= 0 && price !== undefined)
            this.prices[n] = price;
    }

    async hearSeats(event) {
        this.took(await this.seats.hear(event));
    }

    async refresh() {
        if (this.seats.isWhole)
            this.took(await this.seats.refresh());
    }

    /** Some seats changed: whoever had chosen one that is gone is told. */
    took(changed) {
        if (changed.length === 0)
            return;
        const lost = changed.filter((i) => this.chosen.has(i) &&
            this.seats.status[i] !== AVAILABLE && !this.mine.has(i));
        if (lost.length > 0 && this.on.mayChoose()) {
            lost.forEach((i) => this.chosen.delete(i));
            const names = lost.map((i) => this.seats.ids[i]).join(", ");
            this.on.say(`Somebody was a moment quicker: ${lost.length === 1 ? "seat" : "seats"} ` +
                `${names} ${lost.length === 1 ? "is" : "are"} taken. Please pick again.`);
            this.on.changed();
        }
        this.look();
    }

    /** A refusal named seats that are gone. */
    takeAway(ids) {
        for (const id of ids) {
            const i = this.seats.indexes.get(id);
            if (i !== undefined)
                this.chosen.delete(i);
        }
        this.look();
        this.on.changed();
    }

    tierOf(id) {
        return this.seats.tierName(this.seats.indexes.get(id));
    }

    /** These in place of what is chosen. */
    take(ids) {
        this.chosen.clear();
        for (const i of ids.map((id) => this.seats.indexes.get(id)))
            if (i !== undefined && this.seats.status[i] === AVAILABLE)
                this.chosen.add(i);
        this.look();
        this.on.changed();
    }

    setMine(ids) {
        this.mineIds = ids;
        this.mine.clear();
        for (const id of ids)
            if (this.seats.indexes.has(id))
                this.mine.add(this.seats.indexes.get(id));
        this.look();
    }

    clear() {
        this.chosen.clear();
        this.look();
    }

    get choice() {
        if (this.chosen.size === 0)
            return null;
        const lines = [...this.chosen].map((i) => ({ seat: i, text: this.seats.ids[i],
            tint: `var(--tier-${this.seats.tier[i] % 6 + 1})`,
            label: `Give up ${this.describe(i)}`, amount: this.prices[this.seats.tier[i]] }));
        return { body: { seats: [...this.chosen].map((i) => this.seats.ids[i]) }, lines,
            amount: lines.reduce((sum, line) => sum + line.amount, 0) };
    }
}

/** The choice as the panel shows it. */
export function choiceLines(choice, choose, currency) {
    if (!choice)
        return el("p", { class: "quiet" }, choose instanceof Plan
            ? "Nothing chosen yet. Choose seats on the plan, or take the best available."
            : "Nothing chosen yet.");
    if (choose instanceof Plan)
        return el("div", { class: "picks" }, choice.lines.map((line) => el("button", {
            class: "pick", type: "button", "aria-label": line.label, vars: { tint: line.tint },
            on: { click: () => choose.drop(line.seat) } }, line.text)));
    return el("ul", { class: "lines" }, choice.lines.map((line) => el("li", {},
        el("span", {}, line.text), el("span", {}, line.amount === 0 ? "Free"
            : amount(line.amount, currency)))));
}

