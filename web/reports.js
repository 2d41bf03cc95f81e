// What the gateway's reports say of a sale: the curve of what was sold, refusals, waits in the queue.

import { get, Refused, Unreachable } from "./api.js";
import { amounts, curve } from "./chart.js";
import { el, replace, setText } from "./dom.js";
import { count, plural } from "./money.js";
import { serverNow } from "./time.js";

const STEPS_S = [60, 300, 900, 3600, 4 * 3600, 24 * 3600];
const POINTS = 700;
const PAGES_MAX = 16;           // of 2,000 rows: more than POINTS of 32 prices
const HOUR_MS = 3600 * 1000;
const MINUTE_MS = 60 * 1000;

/* SOLD_OUT is "Sold out". */
function word(code) {
    return code[0] + code.slice(1).toLowerCase().replaceAll("_", " ");
}

export class Reports {
    constructor(token) {
        this.token = token;
        this.refusals = el("div", { class: "stack" });
        this.waits = el("div", {});
        this.waited = el("p", { class: "quiet small" }, " ");
    }

    choose(slug) {
        this.slug = slug;
        replace(this.refusals);
        replace(this.waits);
        setText(this.waited, " ");
    }

    async ask(report, words = {}) {
        const path = `/v1/admin/shows/${encodeURIComponent(this.slug)}/analytics/${report}`;
        const query = new URLSearchParams({ limit: 2000, ...words });
        const rows = [];
        for (let page = 0; page < PAGES_MAX; page++) {
            const answer = await get(`${path}?${query}`, { token: this.token });
            rows.push(...answer.rows);
            if (answer.next === null)
                break;
            query.set("cursor", answer.next);
        }
        return rows;
    }

    /** [[ms, places confirmed by then], …], however many bookings there are. */
    async sold() {
        const [show] = await this.ask("sell-out");
        if (!show || show.first_at === null)
            return [];
        const now = serverNow(), first = Date.parse(show.first_at);
        const step = STEPS_S.find((s) => (now - first) / 1000 / s <= POINTS) || STEPS_S.at(-1);
        const points = [[first - 1, 0]];
        let sum = 0;
        for (const row of await this.ask("sales", { step })) {
            const end = Math.max(first, Math.min(Date.parse(row.at) + step * 1000, now));
            sum += row.confirmed;
            if (points.at(-1)[0] === end)
                points.at(-1)[1] = sum;
            else
                points.push([end, sum]);
        }
        return points;
    }

    /** Of the last hour. What cannot be had now stays as it was. */
    async look() {
        const slug = this.slug;
        const from = new Date(serverNow() - HOUR_MS).toISOString();
        try {
            const [refusals, minutes, [all]] = await Promise.all([
                this.ask("refusals", { from, step: "all" }),
                this.ask("waits", { from, step: "minute" }),
                this.ask("waits", { from, step: "all" })]);
            if (slug !== this.slug)
                return;
            this.tellRefusals(refusals);
            this.tellWaits(minutes, all);
        } catch (error) {
            if (!(error instanceof Refused || error instanceof Unreachable))
                throw error;
        }
    }

    tellRefusals(rows) {
        if (rows.length === 0) {
            replace(this.refusals, el("p", { class: "quiet" }, "Nothing was refused."));
            return;
        }
        rows.sort((a, b) => b.requests - a.requests);
        amounts(this.refusals, rows.map((row) => [word(row.code), row.requests]));
    }

    tellWaits(minutes, all) {
        if (!all) {
            replace(this.waits);
            setText(this.waited, "Nothing was asked.");
            return;
        }
        const points = minutes.map((row) => [Date.parse(row.at), row.p95_ms]);
        points.push([Math.min(points.at(-1)[0] + MINUTE_MS, serverNow()), points.at(-1)[1]]);
        curve(this.waits, points, "Milliseconds that 95 of 100 did not exceed");
        setText(this.waited, "What 95 of 100 requests did not exceed, in milliseconds, by the minute. " +
            `Of ${plural(all.requests, "request", "requests")} half waited ${count(all.p50_ms)} ms ` +
            `at most, 99 of 100 ${count(all.p99_ms)} ms, the longest ${count(all.max_ms)} ms.`);
    }
}
