// A show's events as they happen. The browser's own EventSource while it works; where the stream
// cannot be had, a question every few seconds; and always word of whether the page still hears.

import { exchange, Unreachable } from "./api.js";
import { reportConnection, forgetConnection } from "./connection.js";

const GRACE_MS = 1500;      // a reconnect within it is nobody's concern
const POLL_MS = 2500;
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];
const QUIET_MS = 40000;     // so long without a word: ask whether anybody is there

export class Live {
    /**
     * `on`: {availability, sale, queue, seats, resync}: called with the event. `on.poll()`: asked
     * while there is no stream; returns a promise that fails if nobody answers.
     */
    constructor(slug, on) {
        this.path = `/v1/shows/${encodeURIComponent(slug)}/events`;
        this.on = on;
        this.lastId = "";
        this.failures = 0;
        this.isOpen = false;
        this.hasEnded = false;
        this.connect();
        this.poller = setInterval(() => this.poll(), POLL_MS);
        addEventListener("online", () => this.reconnect());
        addEventListener("offline", () => this.say(false));
        addEventListener("pagehide", () => this.close());
        document.addEventListener("visibilitychange", () => {
            if (document.visibilityState === "visible" && !this.isOpen)
                this.reconnect();
        });
    }

    connect() {
        this.source = new EventSource(this.lastId
            ? `${this.path}?last_event_id=${encodeURIComponent(this.lastId)}` : this.path);
        this.source.onopen = () => this.opened();
        this.source.onmessage = (message) => this.hear(message);
        this.source.onerror = () => this.broke();
    }

    opened() {
        this.isOpen = true;
        this.failures = 0;
        this.heardMs = Date.now();
        this.say(true);
    }

    hear(message) {
        this.heardMs = Date.now();
        this.lastId = message.lastEventId;
        const event = JSON.parse(message.data);
        this.on[event.type]?.(event);
    }

    /* The browser tries again by itself unless it was told no: then it is tried here. */
    broke() {
        const wasOpen = this.isOpen;
        this.isOpen = false;
        if (this.hasEnded)
            return;
        if (this.source.readyState === EventSource.CLOSED) {
            const wait = AGAIN_MS[Math.min(this.failures++, AGAIN_MS.length - 1)];
            clearTimeout(this.again);
            this.again = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
        }
        clearTimeout(this.grace);
        if (wasOpen)
            this.grace = setTimeout(() => this.poll(), GRACE_MS);
        else
            this.poll();
    }

    reconnect() {
        if (this.hasEnded)
            return;
        clearTimeout(this.again);
        this.source.close();
        this.isOpen = false;
        this.connect();
    }

    async poll() {
        if (this.hasEnded || this.isPolling)
            return;
        const isQuiet = this.isOpen && Date.now() - this.heardMs > QUIET_MS;
        if (this.isOpen && !isQuiet)
            return;
        this.isPolling = true;
        try {
            if (isQuiet)
                await exchange("GET", "/livez");
            else
                await this.on.poll();
            this.heardMs = Date.now();
            this.say(true);
        } catch (error) {
            if (!this.isOpen)
                this.say(!(error instanceof Unreachable));
            else
                this.reconnect();
        } finally {
            this.isPolling = false;
        }
    }

    say(isThere) {
        if (!this.hasEnded)
            reportConnection("live", isThere);
    }

    close() {
        this.hasEnded = true;
        clearInterval(this.poller);
        clearTimeout(this.again);
        clearTimeout(this.grace);
        this.source.close();
        forgetConnection("live");
    }
}
