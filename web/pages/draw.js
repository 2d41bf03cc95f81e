// The draw of a waiting room, checked by whoever wants to: the key against what was published
// before, and numbers against the key, all in this browser.

import { get, Refused } from "../api.js";
import { canDraw, commitmentOf, Draw } from "../draw.js";
import { el, pause, replace, setText } from "../dom.js";
import { load } from "../load.js";
import { count, plural } from "../money.js";
import { keptTicket } from "../ticket.js";
import { longDate } from "../time.js";

const ALL_MAX = 2000;        // arrivals that are all looked at
const AGAIN_MS = 2000;

function roomPath(slug) {
    return `/v1/shows/${encodeURIComponent(slug)}/queue`;
}

function fact(term, value) {
    return [el("dt", {}, term), el("dd", { class: "mono" }, value)];
}

class DrawPage {
    constructor(main, show, slug) {
        this.show = show;
        this.slug = slug;
        this.facts = el("dl", { class: "facts-list long" });
        this.checks = el("ul", { class: "checks stack tight" });
        this.arrival = el("input", { type: "number", min: 1, inputmode: "numeric" });
        this.number = el("output", {}, "");
        this.asking = el("form", { class: "stack tight", hidden: true,
            on: { submit: (event) => { event.preventDefault(); this.tell(); } } },
        el("div", { class: "formrow" }, el("label", {}, "Who came as number", this.arrival),
            el("button", {}, "got …")), this.number);
        document.title = `The draw for ${show.name} · Box office`;
        replace(main, el("div", { class: "stack" },
            el("p", { class: "quiet" }, el("a", { href: `/shows/${encodeURIComponent(slug)}` },
                show.name)),
            el("h1", {}, "The draw"),
            el("p", {}, "Everybody who is in the waiting room when the doors open is shuffled with ",
                "a key. The key’s fingerprint is published before, the key itself afterwards. So ",
                "nobody, not even the house, can choose who comes first; and you can check it here, ",
                "in your own browser."),
            el("div", { class: "card pad stack" }, this.facts),
            el("div", { class: "card pad stack" }, el("h2", {}, "Checked by this browser"),
                this.checks, this.asking)));
    }

    line(state, text) {
        const words = { ok: "Right", bad: "Wrong", wait: "Later" };
        const line = el("li", { class: "row", "data-check": state },
            el("span", { class: `pill ${{ ok: "good", bad: "bad", wait: "wait" }[state]}` },
                words[state]), el("span", { class: "grow" }, text));
        this.checks.append(line);
        return line;
    }

    /* Begins with what is known of the room, before anything is shown. */
    async follow(room) {
        for (;; room = await load(roomPath(this.slug))) {
            this.describe(room);
            if (room.state === "off" || room.order !== "draw" || room.key) {
                await this.check(room);
                return;
            }
            replace(this.checks);
            this.line("wait", "The key is published when the doors open; this page checks it then.");
            await pause(AGAIN_MS);
        }
    }

    describe(room) {
        if (room.state === "off")
            return;
        replace(this.facts,
            fact("Fingerprint, published before", room.commitment || "–"),
            fact("Doors open", room.opens_at ? longDate(room.opens_at) : "at once"),
            fact("Arrivals drawn", room.arrivals === null ? "not yet" : count(room.arrivals)),
            fact("Key, published afterwards", room.key || "not yet"));
    }

    async check(room) {
        replace(this.checks);
        if (room.state === "off" || room.order !== "draw") {
            this.line("wait", "Nothing is drawn for this show: first come, first served.");
            return;
        }
        if (!canDraw()) {
            this.line("wait", "This browser does its sums only over https: open this page there.");
            return;
        }
        const fits = await commitmentOf(room.key) === room.commitment;
        this.line(fits ? "ok" : "bad", fits
            ? "The key is the one whose fingerprint was published before the opening."
            : "The key is not the one whose fingerprint was published!");
        if (!room.arrivals)
            return;
        this.draw = await Draw.with(room.key, room.arrivals);
        this.asking.hidden = false;
        await this.checkMine(room);
        await this.checkAll(room);
    }

    async checkMine(room) {
        const kept = keptTicket(this.slug);
        if (!kept)
            return;
        const mine = await get(`/v1/queue/${encodeURIComponent(kept.ticket)}`).catch(() => null);
        if (!mine?.number || mine.arrival > room.arrivals)
            return;
        const drawn = await this.draw.numberOf(mine.arrival);
        this.line(drawn === mine.number ? "ok" : "bad", `You came as number ${count(mine.arrival)} ` +
            `and drew ${count(drawn)}; you were told ${count(mine.number)}.`);
        this.arrival.value = mine.arrival;
    }

    /* Each number once: nobody was put before the others and nobody left out. */
    async checkAll(room) {
        const n = Math.min(room.arrivals, ALL_MAX), seen = new Set();
        const line = this.line("wait", "Drawing everybody again…");
        for (let arrival = 1; arrival <= n; arrival++)
            seen.add(await this.draw.numberOf(arrival));
        line.remove();
        const right = seen.size === n && [...seen].every((number) => number >= 1 &&
            number <= room.arrivals);
        this.line(right ? "ok" : "bad", n === room.arrivals
            ? `Drawn again: ${plural(n, "arrival", "arrivals")}, each with a number of its own, and ` +
                "none left out."
            : `Drawn again: the first ${count(n)} arrivals, each with a number of its own.`);
    }

    async tell() {
        const arrival = Number(this.arrival.value);
        setText(this.number, arrival >= 1 && arrival <= this.draw.count
            ? `… number ${count(await this.draw.numberOf(arrival))}.`
            : `Arrivals that were drawn go from 1 to ${count(this.draw.count)}.`);
    }
}

export async function show(main, slug) {
    try {
        const found = await load(`/v1/shows/${encodeURIComponent(slug)}`);
        const room = await load(roomPath(slug));
        new DrawPage(main, found, slug).follow(room);
    } catch (error) {
        if (!(error instanceof Refused))
            throw error;
        replace(main, el("h1", {}, "There is no such show"),
            el("p", {}, el("a", { href: "/" }, "See what’s on.")));
    }
}
