// The seat map on a canvas: pan, zoom, point, choose, with mouse, touch or keyboard. It draws what
// is in view only, and while it is moved, if much is in view, the picture it has.

import { el, setText } from "./dom.js";
import { SeatIndex } from "./seatindex.js";
import { SeatPainter } from "./seatpaint.js";
import { AVAILABLE } from "./seats.js";

const MARGIN = 36;           // pixels around the whole,
const ABOVE = 28;            // for the stage
const BELOW = 40;            // for the buttons
const SCALE_MAX = 56;        // pixels from seat to seat
const CHOOSE_MIN = 9;        // below, a tap comes nearer instead of choosing
const SETTLE_MS = 90;
const TAP_PX = 6;

export class SeatMap {
    /** `on`: {choose(i), describe(i) → text}; `chosen`, `mine`: sets of seats. */
    constructor(seats, { on, chosen, mine }) {
        this.seats = seats;
        this.on = on;
        this.chosen = chosen;
        this.mine = mine;
        this.view = { scale: 1, x: 0, y: 0 };
        this.isFitted = true;
        this.hover = -1;
        this.cursor = -1;
        this.pointers = new Map();
        this.index = new SeatIndex(seats);
        this.build();
        this.painter = new SeatPainter(this);
        this.listen();
    }

    build() {
        this.canvas = el("canvas", { tabindex: 0, role: "application",
            "aria-label": "Seat map. Arrow keys move from seat to seat, Enter chooses, " +
                "plus and minus zoom. There is a list of the seats below.",
            "aria-roledescription": "seat map" });
        this.loading = el("p", { class: "loading" }, "Loading the seats…");
        this.under = el("div", { class: "under" }, "");
        this.spoken = el("div", { class: "unseen", "aria-live": "assertive" });
        const tool = (label, text, act) =>
            el("button", { type: "button", "aria-label": label, title: label, on: { click: act } },
                text);
        this.canvas.seatMap = this; // for whoever looks from outside, as tests do
        this.element = el("div", {}, el("div", { class: "stage" }, this.canvas, this.loading,
            el("div", { class: "tools" },
                tool("Zoom in", "+", () => this.zoom(1.6)),
                tool("Zoom out", "−", () => this.zoom(1 / 1.6)),
                tool("Show all", "⤢", () => this.fit()))), this.under, this.spoken);
    }

    listen() {
        new ResizeObserver(() => this.resize()).observe(this.canvas);
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
            this.painter.readColours();
            this.draw();
        });
        const c = this.canvas;
        c.addEventListener("pointerdown", (event) => this.press(event));
        c.addEventListener("pointermove", (event) => this.move(event));
        c.addEventListener("pointerup", (event) => this.release(event));
        c.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
        c.addEventListener("pointerleave", () => this.point(-1));
        c.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
        c.addEventListener("keydown", (event) => this.key(event));
        c.addEventListener("blur", () => this.draw());
        c.addEventListener("focus", () => this.draw());
    }

    /* ---- where things are ---- */

    /** Seats came: the index and the bounds anew. */
    measure() {
        this.index.measure();
        if (this.isFitted)
            this.fit();
        else
            this.draw();
    }

    get box() {
        return this.index.box;
    }

    get pitch() {
        return this.index.pitch;
    }

    toMap(px, py) {
        return [(px - this.view.x) / this.view.scale, (py - this.view.y) / this.view.scale];
    }

    at(px, py) {
        const [x, y] = this.toMap(px, py);
        return this.index.nearest(x, y, Math.max(0.6 * this.pitch, 8 / this.view.scale));
    }

    get seatPx() {
        return this.pitch * this.view.scale;
    }

    /* ---- the view ---- */

    resize() {
        const ratio = devicePixelRatio || 1;
        this.width = this.canvas.clientWidth;
        this.height = this.canvas.clientHeight;
        this.canvas.width = Math.round(this.width * ratio);
        this.canvas.height = Math.round(this.height * ratio);
        this.ratio = ratio;
        this.painter.picture = null;
        if (this.isFitted)
            this.fit();
        else
            this.draw();
    }

    get fitScale() {
        const b = this.box;
        return Math.min((this.width - 2 * MARGIN) / (b.right - b.left + this.pitch),
            (this.height - 2 * MARGIN - ABOVE - BELOW) / (b.bottom - b.top + this.pitch),
            SCALE_MAX * 0.75 / this.pitch);
    }

    fit() {
        this.isFitted = true;
        if (!this.box || !this.width || this.seats.count === 0)
            return;
        const b = this.box, scale = this.fitScale;
        this.view = { scale, x: this.width / 2 - (b.left + b.right) / 2 * scale,
            y: (this.height + ABOVE - BELOW) / 2 - (b.top + b.bottom) / 2 * scale };
        this.canvas.classList.remove("free");
        this.draw();
    }

    zoom(factor, px = this.width / 2, py = this.height / 2) {
        if (!this.box)
            return;
        const scale = Math.max(Math.min(this.view.scale * factor, SCALE_MAX / this.pitch),
            this.fitScale);
        if (scale <= this.fitScale * 1.001) {
            this.fit();
            return;
        }
        const [x, y] = this.toMap(px, py);
        this.view = { scale, x: px - x * scale, y: py - y * scale };
        this.moved();
    }

    moved() {
        this.isFitted = false;
        this.canvas.classList.add("free");
        const b = this.box, v = this.view, keep = 60; // never out of sight
        v.x = Math.min(Math.max(v.x, keep - b.right * v.scale), this.width - keep - b.left * v.scale);
        v.y = Math.min(Math.max(v.y, keep - b.bottom * v.scale), this.height - keep - b.top * v.scale);
        this.draw(true);
    }

    /* ---- hands ---- */

    place(event) {
        const box = this.canvas.getBoundingClientRect();
        return { x: event.clientX - box.left, y: event.clientY - box.top };
    }

    press(event) {
        const p = this.place(event);
        this.canvas.setPointerCapture(event.pointerId);
        this.pointers.set(event.pointerId, { ...p, fromX: p.x, fromY: p.y, isTap: true });
        if (this.pointers.size > 1)
            for (const pointer of this.pointers.values())
                pointer.isTap = false;
    }

    move(event) {
        const p = this.place(event);
        const pointer = this.pointers.get(event.pointerId);
        if (!pointer) {
            this.point(this.seatPx >= 3 ? this.at(p.x, p.y) : -1);
            return;
        }
        if (pointer.isTap && Math.hypot(p.x - pointer.fromX, p.y - pointer.fromY) < TAP_PX)
            return;
        pointer.isTap = false;
        if (this.pointers.size === 2)
            this.pinch(event.pointerId, p);
        else if (this.pointers.size === 1 && (event.pointerType !== "touch" || !this.isFitted)) {
            this.canvas.classList.add("dragging");
            this.view.x += p.x - pointer.x;
            this.view.y += p.y - pointer.y;
            this.moved();
        }
        pointer.x = p.x;
        pointer.y = p.y;
    }

    pinch(id, p) {
        const other = [...this.pointers].find(([name]) => name !== id)[1];
        const mine = this.pointers.get(id);
        const before = Math.hypot(mine.x - other.x, mine.y - other.y);
        const now = Math.hypot(p.x - other.x, p.y - other.y);
        this.view.x += (p.x - mine.x) / 2;
        this.view.y += (p.y - mine.y) / 2;
        if (before > 0)
            this.zoom(now / before, (p.x + other.x) / 2, (p.y + other.y) / 2);
    }

    release(event) {
        const pointer = this.pointers.get(event.pointerId);
        this.pointers.delete(event.pointerId);
        this.canvas.classList.remove("dragging");
        if (!pointer?.isTap || !this.box)
            return;
        const p = this.place(event);
        const least = event.pointerType === "touch" ? 2 * CHOOSE_MIN : CHOOSE_MIN;
        const i = this.at(p.x, p.y);
        if (this.seatPx < least && this.view.scale < SCALE_MAX / this.pitch * 0.99)
            this.zoom(2 * least / this.seatPx, p.x, p.y);
        else if (i >= 0)
            this.choose(i);
    }

    /* A wheel zooms where it is meant to; otherwise the page goes on. */
    wheel(event) {
        if (!event.ctrlKey && !event.metaKey && document.activeElement !== this.canvas)
            return;
        event.preventDefault();
        const p = this.place(event);
        this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), p.x, p.y);
    }

    point(i) {
        if (i === this.hover)
            return;
        this.hover = i;
        this.canvas.classList.toggle("pointing", i >= 0 && this.seatPx >= CHOOSE_MIN);
        this.tell(i >= 0 ? i : this.cursor);
        this.draw(true);
    }

    tell(i) {
        setText(this.under, i >= 0 ? this.on.describe(i) : this.hint || "");
    }

    choose(i) {
        this.cursor = i;
        this.on.choose(i);
        this.tell(i);
        this.draw();
    }

    /* ---- keys ---- */

    key(event) {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1],
            ArrowDown: [0, 1] }[event.key];
        if (event.altKey || event.ctrlKey || event.metaKey || !this.box)
            return;
        if (step)
            this.step(...step);
        else if (event.key === "Enter" || event.key === " ")
            this.enter();
        else if (event.key === "+" || event.key === "=")
            this.zoom(1.6);
        else if (event.key === "-")
            this.zoom(1 / 1.6);
        else if (event.key === "0" || event.key === "Escape")
            this.fit();
        else if (event.key === "Home")
            this.goTo(this.firstFree(0));
        else
            return;
        event.preventDefault();
    }

    enter() {
        if (this.cursor < 0) {
            this.goTo(this.firstFree(0));
            return;
        }
        this.choose(this.cursor);
        this.say(this.cursor);
    }

    firstFree(from) {
        for (let i = from; i < this.seats.count; i++)
            if (this.seats.status[i] === AVAILABLE)
                return i;
        return 0;
    }

    step(dx, dy) {
        this.goTo(this.cursor < 0 ? this.firstFree(0) : this.index.next(this.cursor, dx, dy));
    }

    /** Bring the keyboard's cursor to a seat, into view and near enough to be seen. */
    goTo(i) {
        if (i < 0 || i >= this.seats.count)
            return;
        this.cursor = i;
        if (this.seatPx < 14)
            this.zoom(18 / this.seatPx);
        const v = this.view, edge = 48;
        const px = this.seats.x[i] * v.scale + v.x, py = this.seats.y[i] * v.scale + v.y;
        if (px < edge || px > this.width - edge || py < edge || py > this.height - edge - BELOW) {
            v.x += this.width / 2 - px;
            v.y += this.height / 2 - py;
            this.moved();
        }
        this.tell(i);
        this.say(i);
        this.draw();
    }

    say(i) {
        setText(this.spoken, this.on.describe(i));
    }

    /* ---- drawing ---- */

    draw(isMoving = false) {
        if (isMoving && this.painter.picture) {
            clearTimeout(this.settle);
            this.settle = setTimeout(() => this.draw(), SETTLE_MS);
        }
        this.isMoving = isMoving;
        if (this.frame)
            return;
        this.frame = requestAnimationFrame(() => {
            this.frame = 0;
            if (this.width && this.box)
                this.painter.paint(this.isMoving);
        });
    }
}
