// The same seats as a list: for whoever would rather read than look. One row of the house at a time.

import { el, replace } from "./dom.js";
import { AVAILABLE } from "./seats.js";

export class SeatList {
    /** `on`: {choose(i), price(i) → text}; `chosen`: a set of seats. */
    constructor(seats, { on, chosen }) {
        this.seats = seats;
        this.on = on;
        this.chosen = chosen;
        this.line = -1;
        this.lines = [];
        this.names = el("select", { on: { change: () => this.show(Number(this.names.value)) } });
        this.boxes = el("div", { class: "seats", role: "group", "aria-label": "Seats of the row" });
        this.body = el("div", { class: "seatlist" }, el("label", {}, "Row", this.names),
            this.boxes);
        this.element = el("details", { on: { toggle: () => this.open() } },
            el("summary", {}, "Seats as a list"), this.body);
    }

    /** The rows of the house, in its order; made when somebody looks. */
    open() {
        if (!this.element.open || this.lines.length > 0 || !this.seats.isWhole)
            return;
        const s = this.seats, known = new Map();
        for (let i = 0; i < s.count; i++) {
            const name = [s.tierName(i), s.sections[i] && `section ${s.sections[i]}`,
                s.rows[i] && `row ${s.rows[i]}`].filter(Boolean).join(", ");
            if (!known.has(name)) {
                known.set(name, this.lines.length);
                this.lines.push({ name, seats: [] });
            }
            this.lines[known.get(name)].seats.push(i);
        }
        replace(this.names, this.lines.map((line, n) => el("option", { value: n }, line.name)));
        this.show(0);
    }

    show(n) {
        this.line = n;
        replace(this.boxes, this.lines[n].seats.map((i) => el("label", {},
            el("input", { type: "checkbox", value: i,
                on: { change: () => this.on.choose(i) } }),
            this.seats.numbers[i] || this.seats.ids[i],
            el("span", { class: "unseen" }, this.on.price(i)))));
        this.look();
    }

    /** Some seats changed. */
    look() {
        if (this.line < 0)
            return;
        for (const box of this.boxes.querySelectorAll("input")) {
            const i = Number(box.value);
            box.checked = this.chosen.has(i);
            box.disabled = this.seats.status[i] !== AVAILABLE && !box.checked;
        }
    }
}
