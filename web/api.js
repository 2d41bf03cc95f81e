// Asking the gateway: one question, one answer. Whoever must not ask twice takes command.js.

import { myToken } from "./me.js";
import { learnClock } from "./time.js";

/** The server said no: the members of the problem document, and the seconds to wait if it said. */
export class Refused extends Error {
    constructor(status, problem, retryAfterS) {
        super(problem.error || `status ${status}`);
        this.status = status;
        this.problem = problem;
        this.code = problem.code;
        this.retryAfterS = retryAfterS;
    }
}

/** Nobody answered. */
export class Unreachable extends Error {}

const TIMEOUT_MS = 45000; // above any wait that is asked for

async function bodyOf(answer) {
    const kind = answer.headers.get("Content-Type") || "";
    if (!kind.includes("json"))
        return {};
    return answer.json();
}

/** The raw exchange: {status, body, headers}; throws Unreachable alone. */
export async function exchange(method, path, { body, headers = {}, signal, token } = {}) {
    const sent = Date.now();
    const bearer = token || myToken();
    const signals = [AbortSignal.timeout(TIMEOUT_MS)].concat(signal ? [signal] : []);
    try {
        const answer = await fetch(path, {
            method,
            body: body === undefined ? undefined : JSON.stringify(body),
            headers: {
                Accept: "application/json",
                ...(body === undefined ? {} : { "Content-Type": "application/json" }),
                ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
                ...headers,
            },
            signal: AbortSignal.any ? AbortSignal.any(signals) : signals.at(-1),
            credentials: "same-origin",
        });
        learnClock(answer.headers.get("Date") || "", sent, Date.now());
        return { status: answer.status, body: await bodyOf(answer), headers: answer.headers };
    } catch (error) {
        if (signal?.aborted)
            throw signal.reason;
        throw new Unreachable(String(error));
    }
}

export function retryAfterS(answer) {
    const seconds = Number(answer.headers.get("Retry-After"));
    return Number.isFinite(seconds) && seconds > 0 ? seconds : 1;
}

export function refusalOf(answer) {
    return new Refused(answer.status, answer.body, retryAfterS(answer));
}

/** What is there; throws Refused or Unreachable. */
export async function get(path, options) {
    const answer = await exchange("GET", path, options);
    if (answer.status === 502)
        throw new Unreachable("502");
    if (answer.status >= 400)
        throw refusalOf(answer);
    return answer.body;
}
