// How the seat map looks: everything that draws, and nothing that decides.

import { BOOKED } from "./seats.js";

const SEAT = 0.78;     // of the distance between seats
const SOLID = 3;       // pixels from seat to seat: below, gaps would only flicker
const MANY = 12000;    // seats in view that are not drawn for each step of a movement
const TAKEN = 100;     // a kind beside tier + 10 for the held ones
const TINTS = 6;

export class SeatPainter {
    /** `map`: whose view, seats and marks are drawn. */
    constructor(map) {
        this.map = map;
        this.context = map.canvas.getContext("2d");
        this.picture = null;   // what was drawn last, where much was in view
        this.readColours();
    }

    readColours() {
        const style = getComputedStyle(document.documentElement);
        const colour = (name) => style.getPropertyValue(`--${name}`).trim();
        this.colours = { tiers: Array.from({ length: TINTS }, (_, n) => colour(`tier-${n + 1}`)),
            taken: colour("taken"), ink: colour("ink"), ink2: colour("ink-2"),
            card: colour("card"), focus: colour("focus") };
    }

    /** The whole picture; while it is moved, the one that there is. */
    paint(isMoving) {
        const c = this.context;
        if (!this.map.width || !this.map.box)
            return;
        c.setTransform(this.map.ratio, 0, 0, this.map.ratio, 0, 0);
        c.clearRect(0, 0, this.map.width, this.map.height);
        if (isMoving && this.picture) {
            this.paintPicture();
        } else {
            this.paintStage();
            const seen = this.paintSeats();
            this.paintNames();
            this.keepPicture(seen);
        }
        this.paintMarks();
    }

    /* What was drawn last, moved and stretched to where it is now. */
    paintPicture() {
        const { view, image } = this.picture, v = this.map.view;
        const grow = v.scale / view.scale;
        this.context.drawImage(image, v.x - view.x * grow, v.y - view.y * grow,
            this.map.width * grow, this.map.height * grow);
    }

    keepPicture(seen) {
        if (seen < MANY) {
            this.picture = null;
            return;
        }
        const image = document.createElement("canvas");
        image.width = this.map.canvas.width;
        image.height = this.map.canvas.height;
        image.getContext("2d").drawImage(this.map.canvas, 0, 0);
        this.picture = { view: { ...this.map.view }, image };
    }

    paintStage() {
        const c = this.context, b = this.map.box, v = this.map.view;
        const half = Math.max((b.right - b.left) * v.scale * 0.28, 40);
        const x = (b.left + b.right) / 2 * v.scale + v.x;
        const y = (b.top - 0.9 * this.map.pitch) * v.scale + v.y - 8;
        c.beginPath();
        c.moveTo(x - half, y);
        c.quadraticCurveTo(x, y - 14, x + half, y);
        c.lineWidth = 3;
        c.strokeStyle = this.colours.ink2;
        c.stroke();
        c.fillStyle = this.colours.ink2;
        c.font = "600 11px sans-serif";
        c.textAlign = "center";
        c.fillText("STAGE", x, y - 14);
    }

    /* By colour, so that each is set once: one list for each kind of seat in view. */
    paintSeats() {
        const v = this.map.view, s = this.map.seats, p = this.map.pitch;
        const [left, top] = this.map.toMap(0, 0), [right, bottom] = this.map.toMap(this.map.width, this.map.height);
        const kinds = new Map();
        let seen = 0;
        this.map.index.within(left - p, top - p, right + p, bottom + p, (i) => {
            const status = s.status[i];
            const kind = status >= BOOKED ? TAKEN : status * 10 + s.tier[i] % TINTS;
            const list = kinds.get(kind);
            seen++;
            if (list)
                list.push(i);
            else
                kinds.set(kind, [i]);
        });
        for (const [kind, list] of kinds)
            this.paintKind(kind, list, v);
        return seen;
    }

    paintKind(kind, list, v) {
        const c = this.context, s = this.map.seats, px = this.map.seatPx;
        const isTaken = kind === TAKEN, isHeld = !isTaken && kind >= 10;
        const part = isTaken ? SEAT * 0.62 : SEAT;
        const side = px < SOLID ? Math.max(px, 0.75) : px * part, half = side / 2;
        const round = px >= 10 ? Math.min(side * 0.28, 7) : 0;
        c.fillStyle = c.strokeStyle = isTaken ? this.colours.taken : this.colours.tiers[kind % 10];
        if (round === 0) {
            c.globalAlpha = isHeld ? 0.35 : 1;
            for (const i of list)
                c.fillRect(s.x[i] * v.scale + v.x - half, s.y[i] * v.scale + v.y - half, side, side);
            c.globalAlpha = 1;
            return;
        }
        c.beginPath();
        for (const i of list)
            c.roundRect(s.x[i] * v.scale + v.x - half + (isHeld ? 1 : 0),
                s.y[i] * v.scale + v.y - half + (isHeld ? 1 : 0),
                side - (isHeld ? 2 : 0), side - (isHeld ? 2 : 0), round);
        if (isHeld) {
            c.lineWidth = 2;
            c.globalAlpha = 0.55;
            c.stroke();
            c.globalAlpha = 1;
        } else {
            c.fill();
        }
        if (px >= 24 && !isTaken)
            this.paintNumbers(list, isHeld);
    }

    paintNumbers(list, isHeld) {
        const c = this.context, v = this.map.view;
        c.fillStyle = isHeld ? this.colours.ink2 : this.colours.card;
        c.font = `600 ${Math.round(this.map.seatPx * 0.36)}px sans-serif`;
        c.textAlign = "center";
        c.textBaseline = "middle";
        for (const i of list)
            if (!this.map.chosen.has(i) && !this.map.mine.has(i))
                c.fillText(this.map.seats.numbers[i], this.map.seats.x[i] * v.scale + v.x,
                    this.map.seats.y[i] * v.scale + v.y + 0.5);
        c.textBaseline = "alphabetic";
    }

    /* The row's name before its first seat, where there is room. */
    paintNames() {
        if (this.map.seatPx < 14)
            return;
        const c = this.context, s = this.map.seats, v = this.map.view;
        const [left, top] = this.map.toMap(0, 0), [right, bottom] = this.map.toMap(this.map.width, this.map.height);
        c.fillStyle = this.colours.ink2;
        c.font = "600 12px sans-serif";
        c.textAlign = "right";
        c.textBaseline = "middle";
        this.map.index.within(left, top, right + this.map.pitch, bottom, (i) => {
            if (s.rows[i] && (i === 0 || s.rows[i] !== s.rows[i - 1] ||
                s.sections[i] !== s.sections[i - 1]))
                c.fillText(s.rows[i], (s.x[i] - 0.75 * this.map.pitch) * v.scale + v.x,
                    s.y[i] * v.scale + v.y);
        });
        c.textBaseline = "alphabetic";
    }

    paintMarks() {
        for (const i of this.map.mine)
            this.paintChosen(i);
        for (const i of this.map.chosen)
            this.paintChosen(i);
        if (this.map.hover >= 0 && this.map.hover !== this.map.cursor)
            this.ring(this.map.hover, this.colours.ink2, 1.5);
        if (this.map.cursor >= 0 && document.activeElement === this.map.canvas)
            this.ring(this.map.cursor, this.colours.focus, 3);
    }

    paintChosen(i) {
        const c = this.context, v = this.map.view;
        const side = Math.max(this.map.seatPx * 0.88, 7), r = side / 2;
        const x = this.map.seats.x[i] * v.scale + v.x, y = this.map.seats.y[i] * v.scale + v.y;
        c.fillStyle = this.colours.ink;
        c.beginPath();
        c.roundRect(x - r, y - r, side, side, side * 0.28);
        c.fill();
        if (side < 12)
            return;
        c.strokeStyle = this.colours.card;
        c.lineWidth = Math.max(2, side * 0.1);
        c.lineCap = c.lineJoin = "round";
        c.beginPath();
        c.moveTo(x - r * 0.45, y + r * 0.02);
        c.lineTo(x - r * 0.1, y + r * 0.38);
        c.lineTo(x + r * 0.5, y - r * 0.36);
        c.stroke();
    }

    ring(i, colour, width) {
        const c = this.context, v = this.map.view;
        const side = Math.max(this.map.seatPx, 12) + 2, r = side / 2;
        c.strokeStyle = colour;
        c.lineWidth = width;
        c.beginPath();
        c.roundRect(this.map.seats.x[i] * v.scale + v.x - r, this.map.seats.y[i] * v.scale + v.y - r,
            side, side, side * 0.3);
        c.stroke();
    }
}
