// Loading what a page cannot be without: again and again until it is there, saying so meanwhile.

import { get, Refused, Unreachable } from "./api.js";
import { reportConnection } from "./connection.js";
import { pause } from "./dom.js";

const AGAIN_MS = [400, 1000, 2000, 4000];

function mayPass(error) {
    return error instanceof Unreachable || (error instanceof Refused && error.status >= 500) ||
        (error instanceof Refused && error.status === 429);
}

/** What is there; throws Refused where it is a lasting no. */
export async function load(path, options) {
    for (let i = 0; ; i++) {
        try {
            const body = await get(path, options);
            reportConnection("load", true);
            return body;
        } catch (error) {
            if (!mayPass(error))
                throw error;
            reportConnection("load", false);
            await pause(AGAIN_MS[Math.min(i, AGAIN_MS.length - 1)], options?.signal);
        }
    }
}
