// A picture for a show that has none: drawn from its slug, the same wherever it is seen.

import { el, svg } from "./dom.js";

const PALETTES = [
    ["#3b0f2b", "#a3244f", "#f2a65a", "#f7e3c4"],
    ["#0d2440", "#1f5fa8", "#6fb7d6", "#f3d9a4"],
    ["#12322a", "#1c7a52", "#c2d36b", "#f6efd0"],
    ["#2a1747", "#6b3fa0", "#e07a9d", "#f9d9c0"],
    ["#3a1d0a", "#a3520f", "#eab34d", "#f8ecd2"],
    ["#0c2e35", "#0e7480", "#ef8a5b", "#f4e4cc"],
];

/** A small random generator of its own (xorshift), begun with the hash of a text. */
function numbers(text) {
    let state = 2166136261;
    for (const letter of text)
        state = Math.imul(state ^ letter.codePointAt(0), 16777619) >>> 0;
    return () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) / 4294967296;
    };
}

function arcs(next, [, strong, warm, pale]) {
    const cx = 60 + next() * 280, cy = 120 + next() * 60;
    return [150, 112, 76, 42].map((r, i) =>
        svg("circle", { cx, cy, r, fill: [strong, warm, pale, strong][i], opacity: .92 }));
}

function beams(next, [, strong, warm, pale]) {
    const x = 120 + next() * 160;
    return [-2, -1, 0, 1, 2].map((i) => svg("path", {
        d: `M${x + i * 8} -20L${x + i * 95 - 42} 240L${x + i * 95 + 42} 240Z`,
        fill: [strong, warm, pale, warm, strong][i + 2], opacity: i === 0 ? .85 : .55,
    }));
}

function tiles(next, colours) {
    const shapes = [];
    for (let column = 0; column < 8; column++)
        for (let line = 0; line < 4; line++) {
            const x = column * 50, y = line * 50;
            const fill = colours[1 + Math.floor(next() * 3)];
            const kind = Math.floor(next() * 4);
            const d = [`M${x} ${y}h50v50z`, `M${x} ${y}a50 50 0 0 1 50 50h-50z`,
                `M${x + 50} ${y}a50 50 0 0 1 -50 50v-50z`, `M${x} ${y + 50}h50v-50z`][kind];
            shapes.push(svg("path", { d, fill, opacity: .45 + next() * .5 }));
        }
    return shapes;
}

function waves(next, [, strong, warm, pale]) {
    return [0, 1, 2, 3].map((i) => {
        const y = 50 + i * 36, lift = 20 + next() * 40;
        return svg("path", {
            d: `M0 ${y}C100 ${y - lift} 140 ${y + lift} 220 ${y}S340 ${y - lift} 400 ${y}V200H0Z`,
            fill: [pale, warm, strong, warm][i], opacity: [.9, .8, .85, .5][i],
        });
    });
}

export function poster(slug) {
    const next = numbers(slug);
    next();
    const palette = PALETTES[Math.floor(next() * PALETTES.length)];
    const draw = [arcs, beams, tiles, waves][Math.floor(next() * 4)];
    return el("div", { class: "poster", "aria-hidden": "true" },
        svg("svg", { viewBox: "0 0 400 200", preserveAspectRatio: "xMidYMid slice" },
            svg("rect", { width: 400, height: 200, fill: palette[0] }), draw(next, palette)));
}
