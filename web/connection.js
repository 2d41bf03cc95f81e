// Whether the page hears from the server, told in one strip that takes no room of its own.

import { setText } from "./dom.js";

const BACK_MS = 4000;
const parts = new Map(); // what is waiting for the server, by name: true if it hears from it
let isLost = false;
let timer = 0;

function show(text, kind) {
    const strip = document.getElementById("connection");
    setText(strip, text);
    strip.dataset.state = kind;
}

function look() {
    const lost = [...parts.values()].includes(false);
    if (lost === isLost)
        return;
    isLost = lost;
    clearTimeout(timer);
    if (lost) {
        show("Connection lost. What you see may be old; trying again…", "lost");
    } else {
        show("Back again. What you see is current.", "back");
        timer = setTimeout(() => show("", ""), BACK_MS);
    }
}

/** `name`: whose word it is. */
export function reportConnection(name, isThere) {
    parts.set(name, isThere);
    look();
}

export function forgetConnection(name) {
    parts.delete(name);
    look();
}
