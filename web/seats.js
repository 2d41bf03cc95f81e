// The seats of a show, as columns: a hundred thousand of them are a few typed arrays.

import { get } from "./api.js";
import { load } from "./load.js";

export const AVAILABLE = 0;
export const HELD = 1;
export const BOOKED = 2;
export const BLOCKED = 3;
const NUMBER_OF = { available: AVAILABLE, held: HELD, booked: BOOKED, blocked: BLOCKED };

export class Seats {
    constructor(show) {
        this.path = `/v1/shows/${encodeURIComponent(show.slug)}/seats`;
        this.tierNames = show.tiers.map((tier) => tier.tier);
        this.ids = [];
        this.rows = [];
        this.numbers = [];
        this.sections = [];
        this.accessible = new Set();
        this.x = new Float32Array(1024);
        this.y = new Float32Array(1024);
        this.tier = new Uint8Array(1024);
        this.status = new Uint8Array(1024);
        this.indexes = new Map();
        this.version = -1;
        this.isWhole = false;
        this.hasPlan = true;
    }

    get count() {
        return this.ids.length;
    }

    grow() {
        for (const name of ["x", "y", "tier", "status"]) {
            const old = this[name];
            this[name] = new old.constructor(old.length * 2);
            this[name].set(old);
        }
    }

    add(seat) {
        const i = this.ids.length;
        if (i === this.x.length)
            this.grow();
        this.ids.push(seat.id);
        this.rows.push(seat.row || "");
        this.numbers.push(seat.number || "");
        this.sections.push(seat.section || "");
        this.tier[i] = Math.max(0, this.tierNames.indexOf(seat.tier));
        this.status[i] = NUMBER_OF[seat.status];
        if (seat.x === undefined)
            this.hasPlan = false;
        this.x[i] = seat.x ?? 0;
        this.y[i] = seat.y ?? 0;
        if (seat.accessible)
            this.accessible.add(i);
        this.indexes.set(seat.id, i);
    }

    /** The whole map, page by page; `onPart` after each. */
    async load(onPart) {
        let cursor = null;
        do {
            const page = await load(cursor ? `${this.path}?cursor=${cursor}` : this.path);
            if (this.version < 0)
                this.version = page.version; // later parts may be newer: changes since then follow
            page.seats.forEach((seat) => this.add(seat));
            cursor = page.next;
            if (!this.hasPlan)
                this.layOut();
            onPart?.();
        } while (cursor);
        this.isWhole = true;
        await this.refresh();
    }

    /* A map without coordinates: row by row, section by section. */
    layOut() {
        const lines = new Map();
        let section = null, y = -1;
        for (let i = 0; i < this.count; i++) {
            const name = `${this.sections[i]}\n${this.rows[i]}`;
            if (!lines.has(name)) {
                y += section !== null && section !== this.sections[i] ? 2 : 1;
                section = this.sections[i];
                lines.set(name, { y, x: 0 });
            }
            const line = lines.get(name);
            this.x[i] = line.x++;
            this.y[i] = line.y;
        }
    }

    /** Every change since the version that is known; which seats changed. */
    async refresh() {
        const page = await get(`${this.path}?since=${this.version}`);
        return page.complete ? this.refreshAll() : this.change(page);
    }

    async refreshAll() {
        const page = await get(`${this.path}?form=status`);
        const changed = [];
        for (let i = 0; i < this.count && i < page.count; i++) {
            const status = page.statuses.charCodeAt(i) - 48;
            if (status !== this.status[i]) {
                this.status[i] = status;
                changed.push(i);
            }
        }
        this.version = page.version;
        return changed;
    }

    change(page) {
        const changed = [];
        for (const { id, status } of page.seats) {
            const i = this.indexes.get(id);
            if (i !== undefined && this.status[i] !== NUMBER_OF[status]) {
                this.status[i] = NUMBER_OF[status];
                changed.push(i);
            }
        }
        this.version = Math.max(this.version, page.version);
        return changed;
    }

    /** An event of the stream; returns what changed, or asks for what is missing. */
    async hear(event) {
        if (!this.isWhole || event.version <= this.version)
            return [];
        if (event.type === "resync")
            return this.refresh();
        if (event.complete)
            return this.hearAll(event);
        return event.since <= this.version ? this.change(event) : this.refresh();
    }

    /* It names every seat that is not available. */
    hearAll(event) {
        const next = new Uint8Array(this.count);
        for (const { id, status } of event.seats) {
            const i = this.indexes.get(id);
            if (i !== undefined)
                next[i] = NUMBER_OF[status];
        }
        const changed = [];
        for (let i = 0; i < this.count; i++)
            if (next[i] !== this.status[i]) {
                this.status[i] = next[i];
                changed.push(i);
            }
        this.version = event.version;
        return changed;
    }

    tierName(i) {
        return this.tierNames[this.tier[i]];
    }

    /** "Section F1, row 3, seat 12", as far as it is known. */
    place(i) {
        const words = [];
        if (this.sections[i])
            words.push(`section ${this.sections[i]}`);
        if (this.rows[i])
            words.push(`row ${this.rows[i]}`);
        words.push(this.numbers[i] ? `seat ${this.numbers[i]}` : `seat ${this.ids[i]}`);
        const text = words.join(", ");
        return text[0].toUpperCase() + text.slice(1);
    }
}
