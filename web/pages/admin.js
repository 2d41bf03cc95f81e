// The operator's page: how the partitions are, how a show sells, and what can be done about it.

import { get, Refused, Unreachable } from "../api.js";
import { curve, tierBars } from "../chart.js";
import { reportConnection } from "../connection.js";
import { el, pause, replace, setText } from "../dom.js";
import { amount, count } from "../money.js";
import { Orders } from "../orders.js";
import { Reports } from "../reports.js";
import { clockTime, serverNow, shortDate } from "../time.js";
import { sentence } from "../words.js";

const TOKEN = "usher.admin-token";
const LOOK_MS = 1500;
const MINUTE_MS = 60000;
const AUDIT_EVERY = 4;       // looks
const REPORTS_EVERY = 7;     // looks: counts by the minute do not change faster
const POINTS_MAX = 2000;
const BACKLOG_FULL = 5000;   // for the little bars

function figure(label) {
    const value = el("b", {}, "–"), more = el("span", { class: "quiet small" }, " ");
    return { value, more, element: el("div", { class: "card figure" },
        el("span", { class: "quiet" }, label), value, more) };
}

function card(title, ...children) {
    return el("section", { class: "card pad stack", "aria-label": title }, el("h2", {}, title),
        children);
}

class Operator {
    constructor(main, token) {
        this.main = main;
        this.token = token;
        this.slug = new URLSearchParams(location.search).get("show") || "";
        this.points = [];        // of the curve
        this.recent = [];        // [ms, sold] of the last minute
        this.versions = new Map();
        this.looks = 0;
    }

    /* Overviews may come from a database that is a little behind; not what was just ordered. */
    get(path, isFresh) {
        return get(path, { token: this.token,
            headers: isFresh ? { "Cache-Control": "no-cache" } : {} });
    }

    async begin() {
        const { shows } = await this.get("/v1/admin/shows?limit=100", true);
        this.shows = shows.map((row) => row.show);
        if (!this.shows.some((show) => show.slug === this.slug))
            this.slug = this.shows[0]?.slug || "";
        this.build();
        await this.choose(this.slug);
        this.follow();
    }

    /* ---- the page ---- */

    build() {
        this.select = el("select", { on: { change: () => this.choose(this.select.value) } },
            this.shows.map((show) => el("option", { value: show.slug,
                selected: show.slug === this.slug }, show.name)));
        this.figures = { sold: figure("Sold"), revenue: figure("Taken"), free: figure("Free"),
            rate: figure("Sold a minute") };
        this.partitions = el("tbody", {});
        this.curve = el("div", {});
        this.bars = el("div", {});
        this.audit = el("tbody", {});
        this.since = el("p", { class: "quiet small" }, " ");
        this.orders = new Orders({ token: this.token, done: () => this.look(true) });
        this.reports = new Reports(this.token);
        const head = (...names) => el("thead", {}, el("tr", {}, names.map((name) =>
            el("th", { class: name.startsWith("#") ? "n" : null, scope: "col" },
                name.replace("#", "")))));
        replace(this.main, el("div", { class: "operator" },
            el("div", { class: "row apart" }, el("h1", {}, "Operations"),
                el("button", { type: "button", on: { click: () => this.leave() } }, "Sign out")),
            el("div", { class: "row low" }, el("label", { class: "grow choose" }, "Show", this.select),
                this.orders.state),
            el("div", { class: "grid figures" }, Object.values(this.figures).map((f) => f.element)),
            el("div", { class: "grid" },
                el("div", { class: "most stack" }, card("Sold over time", this.curve, this.since)),
                el("div", { class: "third stack" }, card("By price", this.bars))),
            el("div", { class: "grid" },
                el("div", { class: "third stack" }, card("Refused within the hour",
                    this.reports.refusals)),
                el("div", { class: "most stack" }, card("Waited in the queue within the hour",
                    this.reports.waits, this.reports.waited))),
            card("Partitions", el("div", { class: "scroll" }, el("table", {},
                head("Partition", "Owner", "State", "#Backlog", "#Commits/s", "#Pace/s", "#Shows",
                    "#Heartbeat"), this.partitions))),
            this.orders.element,
            card("What operators did", el("div", { class: "scroll" }, el("table", {},
                head("When", "Who", "What", "Which show", "Details"), this.audit)))));
        document.title = "Operations · Box office";
    }

    async choose(slug) {
        this.slug = slug;
        this.points = [];
        this.recent = [];
        this.isMoving = false;
        history.replaceState(null, "", slug ? `/admin?show=${encodeURIComponent(slug)}` : "/admin");
        this.orders.choose(this.shows.find((show) => show.slug === slug));
        this.reports.choose(slug);
        await this.loadHistory(slug);
        this.reports.look();
        await this.look(true);
    }

    /* What was sold before this visit. */
    async loadHistory(slug) {
        setText(this.since, "Reading what was sold before …");
        let points = null;
        try {
            points = await this.reports.sold();
        } catch (error) {
            if (!(error instanceof Refused || error instanceof Unreachable))
                throw error;
        }
        if (slug !== this.slug)
            return;
        this.points = points || [];
        setText(this.since, points ? "Confirmed places, by the time they were booked."
            : `Since ${clockTime(serverNow())}, when this page was opened.`);
    }

    /* ---- looking ---- */

    async follow() {
        for (;;) {
            await pause(LOOK_MS);
            if (!this.main.isConnected || this.hasLeft)
                return;
            if (document.visibilityState !== "visible")
                continue;
            if (this.looks % REPORTS_EVERY === 0)
                this.reports.look();
            await this.look(false);
        }
    }

    /* `isFresh`: something was done, and shall be seen. */
    async look(isFresh) {
        const slug = this.slug;
        try {
            const [{ partitions }, statistics, audit] = await Promise.all([
                this.get("/v1/admin/partitions"),
                this.get(`/v1/admin/shows/${encodeURIComponent(slug)}/statistics`, isFresh),
                isFresh || this.looks++ % AUDIT_EVERY === 0
                    ? this.get("/v1/admin/audit?limit=12", isFresh) : null]);
            reportConnection("operator", true);
            if (slug !== this.slug)
                return;
            this.tellPartitions(partitions);
            this.tellShow(statistics, partitions);
            if (audit)
                this.tellAudit(audit.audit);
        } catch (error) {
            if (error instanceof Refused && error.status === 401)
                this.leave(sentence(error.problem));
            else
                reportConnection("operator", !(error instanceof Unreachable) && error.status < 500);
        }
    }

    tellPartitions(partitions) {
        const n = (value) => el("td", { class: "n" }, value);
        replace(this.partitions, partitions.map((p) => el("tr", { "data-partition": p.partition },
            el("td", {}, String(p.partition), p.database
                ? el("span", { class: "quiet small" }, ` in ${p.database}`) : null),
            el("td", {}, p.owner || (p.reachable ? "nobody" : "–")),
            el("td", {}, el("span", { "aria-hidden": "true",
                class: `dot ${p.reachable && p.state === "serving" ? "good" : "bad"}` }),
            p.reachable ? p.state : "its database is away"),
            el("td", { class: "n" }, p.backlog === null ? "–" : count(p.backlog),
                el("span", { class: "bar meter", "aria-hidden": "true" }, el("span", {
                    vars: { part: `${Math.min(100, 100 * (p.backlog || 0) / BACKLOG_FULL)}%` } }))),
            n(this.commitsOf(p)), n(p.rate === null ? "–" : count(Math.round(p.rate))),
            n(p.reachable ? count(p.shows) : "–"),
            n(p.heartbeat_age_ms === null ? "–" : `${count(p.heartbeat_age_ms)} ms`))));
    }

    /* Committed batches a second since the last look; the pace is what it does while it works. */
    commitsOf(p) {
        const now = performance.now(), before = this.versions.get(p.partition);
        this.versions.set(p.partition, { now, version: p.version });
        return before && now > before.now && p.version >= before.version
            ? count(Math.round(10000 * (p.version - before.version) / (now - before.now)) / 10) : "–";
    }

    /* By how much the last minute has brought it forward. */
    soldAMinute(sold) {
        const now = serverNow();
        this.recent.push([now, sold]);
        while (this.recent[0][0] < now - MINUTE_MS)
            this.recent.shift();
        const [from, before] = this.recent[0];
        return now - from < LOOK_MS ? 0 : (sold - before) * MINUTE_MS / (now - from);
    }

    tellShow(s, partitions) {
        const sum = (name) => s.tiers.reduce((total, tier) => total + tier[name], 0);
        const capacity = sum("capacity"), sold = sum("confirmed"), blocked = sum("blocked");
        const part = (n, of) => of > 0 ? `${Math.round(1000 * n / of) / 10} %` : "–";
        const f = this.figures;
        setText(f.sold.value, count(sold));
        setText(f.sold.more, `${part(sold, capacity - blocked)} of what is for sale`);
        setText(f.revenue.value, amount(sum("revenue"), s.currency));
        setText(f.revenue.more, sold > 0
            ? `${amount(Math.round(sum("revenue") / sold), s.currency)} a place` : " ");
        setText(f.free.value, count(sum("available")));
        setText(f.free.more, `${count(sum("held") + sum("pending"))} held, ${count(blocked)} blocked, ` +
            `${count(s.waiting)} waiting`);
        const mine = partitions.find((p) => p.partition === s.partition);
        setText(f.rate.value, count(Math.round(this.soldAMinute(sold))));
        setText(f.rate.more, `Partition ${s.partition}, backlog ${count(mine?.backlog || 0)}`);
        this.orders.hear(s);
        tierBars(this.bars, s.tiers);
        this.tellCurve(sold);
    }

    tellCurve(sold) {
        const now = serverNow(), last = this.points.at(-1);
        if (last && this.isMoving && this.points.at(-2)?.[1] === sold && last[1] === sold)
            last[0] = now;
        else
            this.points.push([now, sold]);
        this.isMoving = true;
        if (this.points.length > POINTS_MAX)
            this.points = this.points.filter((_, i) => i % 2 === 0 || i === this.points.length - 1);
        curve(this.curve, this.points, "Sold places");
    }

    tellAudit(rows) {
        replace(this.audit, rows.map((row) => el("tr", {}, el("td", {}, shortDate(row.at)),
            el("td", {}, row.actor), el("td", {}, row.action), el("td", {}, row.show || "–"),
            el("td", { class: "mono" }, Object.entries(row.settings).map(([name, value]) =>
                `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ")))));
    }

    leave(why) {
        this.hasLeft = true;
        sessionStorage.removeItem(TOKEN);
        login(this.main, why);
    }
}

function login(main, why) {
    const input = el("input", { type: "password", name: "token", autocomplete: "off",
        required: true, spellcheck: "false" });
    const note = el("p", { class: "note bad", role: "alert", hidden: !why }, why || "");
    const button = el("button", { class: "main big full", type: "submit" }, "Sign in");
    replace(main, el("form", { class: "card pad stack login", novalidate: true,
        on: { submit: async (event) => {
            event.preventDefault();
            button.disabled = true;
            const problem = await enter(main, input.value.trim());
            button.disabled = false;
            setText(note, problem);
            note.hidden = !problem;
        } } }, el("h1", {}, "Operations"),
    el("p", { class: "quiet" }, "For those who run the house. The token is kept for this visit, in ",
        "this tab alone."),
    el("label", {}, "Administrator’s token", input), note, button));
    document.title = "Operations · Box office";
}

/* What is wrong with the token, or nothing. */
async function enter(main, token) {
    if (!token)
        return "Please type in your token.";
    try {
        await get("/v1/admin/partitions", { token });
        sessionStorage.setItem(TOKEN, token);
        await new Operator(main, token).begin();
        return "";
    } catch (error) {
        if (error instanceof Unreachable)
            return "Nobody answers. Please try again in a moment.";
        if (error.status === 404)
            return "Administration is not reached at this address.";
        if (error.status === 401 || error.status === 403)
            return "This is not the token of an administrator here.";
        throw error;
    }
}

export async function show(main) {
    const token = sessionStorage.getItem(TOKEN);
    const problem = token ? await enter(main, token) : "";
    if (!token || problem)
        login(main, problem);
}
