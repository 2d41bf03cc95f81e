// A hold's time running out: a ring and figures, by the server's clock.

import { announce, el, setText, svg } from "./dom.js";
import { isWorthSaying, roughly, serverNow, span } from "./time.js";

const TICK_MS = 250;
const LATE_MS = 60000;
const ROUND = 2 * Math.PI * 33;

export class Countdown {
    /** `onEnd`: called once when the time is over. */
    constructor(begin, end, onEnd) {
        this.begin = Date.parse(begin);
        this.end = Date.parse(end);
        this.onEnd = onEnd;
        this.said = 0;
        this.figures = el("b", { role: "timer" });
        this.ring = svg("circle", { cx: 40, cy: 40, r: 33, "stroke-dasharray": ROUND });
        this.element = el("div", { class: "clock" },
            svg("svg", { viewBox: "0 0 80 80", "aria-hidden": "true" },
                svg("circle", { cx: 40, cy: 40, r: 33 }), this.ring),
            el("div", {}, this.figures, el("p", { class: "quiet" }, "left to finish")));
        this.timer = setInterval(() => this.tick(), TICK_MS);
        this.tick();
    }

    tick() {
        const left = this.end - serverNow();
        const seconds = Math.ceil(left / 1000);
        setText(this.figures, span(left));
        this.element.classList.toggle("late", left < LATE_MS);
        const part = Math.max(0, Math.min(1, left / (this.end - this.begin)));
        this.ring.setAttribute("stroke-dashoffset", String(ROUND * (1 - part)));
        if (isWorthSaying(seconds) && this.said !== seconds) {
            this.said = seconds;
            announce(`${seconds < 45 ? `${seconds} seconds` : roughly(left)} left to finish.`);
        }
        if (left <= 0) {
            this.stop();
            this.onEnd();
        }
    }

    stop() {
        clearInterval(this.timer);
    }
}
