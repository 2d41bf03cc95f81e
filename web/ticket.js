// The visitor's place in a show's waiting room, as it is kept on this machine: whoever closes the
// tab and comes back has it still.

function name(slug) {
    return `usher.room.${slug}`;
}

/** {ticket, user, from}: `from` is the place at first, for the bar; or null. */
export function keptTicket(slug) {
    try {
        return JSON.parse(localStorage.getItem(name(slug)));
    } catch {
        return null;
    }
}

export function keepTicket(slug, kept) {
    localStorage.setItem(name(slug), JSON.stringify(kept));
}

export function dropTicket(slug) {
    localStorage.removeItem(name(slug));
}
