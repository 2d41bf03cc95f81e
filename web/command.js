// A command that is done once, whatever happens on the way: its Idempotency-Key is kept for the
// visit, so that a lost answer, a reload or a second click asks for the first answer again.

import { exchange, refusalOf, retryAfterS, Unreachable } from "./api.js";
import { reportConnection, forgetConnection } from "./connection.js";
import { pause } from "./dom.js";

const PREFIX = "usher.command.";
const AGAIN_MS = [300, 700, 1500, 3000, 5000];

function freshKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The command of that name that was begun and has no answer yet, or null. */
export function begun(name) {
    try {
        return JSON.parse(sessionStorage.getItem(PREFIX + name));
    } catch {
        return null;
    }
}

export function forget(name) {
    sessionStorage.removeItem(PREFIX + name);
}

function begin(name, path, body) {
    const known = begun(name);
    if (known && known.path === path && JSON.stringify(known.body) === JSON.stringify(body))
        return known;
    const fresh = { path, body, key: freshKey() };
    sessionStorage.setItem(PREFIX + name, JSON.stringify(fresh));
    return fresh;
}

/** What is to be done with an answer: it is one, or it is asked again. */
function isLater(answer) {
    return answer.status === 503 || answer.status === 429;
}

async function askOnce(command, options) {
    const headers = { "Idempotency-Key": command.key, Prefer: "wait=10", ...options.headers };
    return exchange(options.method || "POST", command.path,
        { body: command.body, headers, signal: options.signal, token: options.token });
}

async function askForDecision(answer, options) {
    const where = answer.headers.get("Location");
    return exchange("GET", where, { headers: { Prefer: "wait=10" }, signal: options.signal,
        token: options.token });
}

/**
 * Ask until there is an answer: {status, body}. Throws Refused where it is no, and the signal's
 * reason if it was aborted. `onState({kind: "asking" | "queued" | "busy" | "lost", …})` is told how
 * it stands. A command under the same name and of the same content goes on where it was.
 */
export async function command(name, path, body, options = {}) {
    const tell = options.onState || (() => {});
    const under = begin(name, path, body);
    let queued = null;
    let failures = 0;

    tell({ kind: "asking" });
    try {
        for (;;) {
            let answer;
            try {
                answer = queued ? await askForDecision(queued, options)
                    : await askOnce(under, options);
            } catch (error) {
                if (!(error instanceof Unreachable))
                    throw error;
                answer = null;
            }
            if (answer === null || answer.status === 502) {
                reportConnection(name, false);
                tell({ kind: "lost" });
                await pause(AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)], options.signal);
                continue;
            }
            failures = 0;
            reportConnection(name, true);
            if (answer.status === 202 && answer.headers.get("Location")?.includes("/requests/")) {
                queued = answer;
                tell({ kind: "queued", position: answer.body.position, etaMs: answer.body.eta_ms });
                await pause(Math.min(retryAfterS(answer) * 1000, 2000), options.signal);
            } else if (isLater(answer)) {
                const seconds = retryAfterS(answer);
                tell({ kind: "busy", seconds });
                await pause(seconds * 1000 * (1 + Math.random() / 4), options.signal);
            } else {
                forget(name);
                if (answer.status >= 400)
                    throw refusalOf(answer);
                return answer;
            }
        }
    } finally {
        forgetConnection(name);
    }
}
