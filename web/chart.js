// Charts as SVG: a curve over time, and what has become of each tier's places.

import { el, replace, svg } from "./dom.js";
import { count } from "./money.js";
import { clockSeconds, clockTime, shortDate } from "./time.js";

const WIDTH = 720;
const HEIGHT = 240;
const EDGE = { left: 48, right: 12, top: 12, bottom: 28 };
const STEPS = 4;
const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;

/* 0, a round number, … above the greatest. */
function roundUp(greatest) {
    const step = 10 ** Math.floor(Math.log10(Math.max(1, greatest / STEPS)));
    for (const times of [1, 2, 2.5, 5, 10])
        if (step * times * STEPS >= greatest && step * times >= 1)
            return Math.ceil(step * times) * STEPS;
    return greatest;
}

/** `points`: [[ms, value], …] in order. */
export function curve(element, points, label) {
    const from = points[0][0], to = Math.max(points.at(-1)[0], from + 1);
    const most = roundUp(Math.max(...points.map(([, value]) => value), STEPS));
    const x = (ms) => EDGE.left + (WIDTH - EDGE.left - EDGE.right) * (ms - from) / (to - from);
    const y = (value) => HEIGHT - EDGE.bottom - (HEIGHT - EDGE.top - EDGE.bottom) * value / most;
    const line = points.map(([ms, value], i) => i === 0 ? `M${x(ms)} ${y(value)}`
        : `H${x(ms)}V${y(value)}`).join("");
    const word = to - from > DAY_MS ? shortDate : to - from < HOUR_MS ? clockSeconds : clockTime;
    const ticks = Array.from({ length: STEPS + 1 }, (_, i) => most * i / STEPS);
    replace(element, svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
        "aria-label": `${label}: ${count(points.at(-1)[1])} now` },
    ticks.map((tick) => [
        svg("line", { class: "axis", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(tick), y2: y(tick) }),
        svg("text", { x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, count(tick))]).flat(),
    svg("path", { class: "under", d: `${line}V${y(0)}H${x(from)}Z` }),
    svg("path", { class: "curve", d: line }),
    svg("text", { x: EDGE.left, y: HEIGHT - 8 }, word(from)),
    svg("text", { x: WIDTH - EDGE.right, y: HEIGHT - 8, "text-anchor": "end" }, word(to))));
}

/** `rows`: [[word, number], …], the greatest first. */
export function amounts(element, rows) {
    const most = Math.max(1, rows[0][1]);
    replace(element, rows.map(([word, number]) => el("div", { class: "tierbar amount",
        vars: { tint: "var(--accent)" } },
    el("div", { class: "row apart" }, el("span", {}, word), el("b", {}, count(number))),
    el("div", { class: "slabs", "aria-hidden": "true" },
        el("span", { vars: { part: String(number / most) } }), number < most &&
        el("span", { class: "available", vars: { part: String(1 - number / most) } })))));
}

const PARTS = [["confirmed", "Sold"], ["pending", "Being paid"], ["held", "Held"],
    ["available", "Free"], ["blocked", "Blocked"]];

/** `tiers`: rows of the statistics. */
export function tierBars(element, tiers) {
    replace(element, tiers.map((tier, n) => el("div", { class: "tierbar",
        vars: { tint: `var(--tier-${n % 6 + 1})` } },
    el("div", { class: "row apart" }, el("b", {}, tier.tier),
        el("span", { class: "quiet small" },
            `${count(tier.confirmed)} of ${count(tier.capacity)} sold`)),
    el("div", { class: "slabs", role: "img", "aria-label": PARTS.map(([name, word]) =>
        `${word} ${tier[name]}`).join(", ") }, PARTS.map(([name]) => tier[name] > 0 &&
        el("span", { class: name, vars: { part: String(tier[name] / Math.max(1, tier.capacity)) } }))),
    el("p", { class: "quiet small" }, PARTS.filter(([name]) => tier[name] > 0).map(([name, word]) =>
        `${word} ${count(tier[name])}`).join(" · ")))));
}
