// What a booking says of itself, for every page that shows one.

import { el } from "./dom.js";
import { amount } from "./money.js";
import { statusWords } from "./words.js";

const KINDS = { CONFIRMED: "good", HELD: "wait", PENDING: "wait", FAILED: "bad", EXPIRED: "",
    CANCELLED: "" };

export function statusPill(status) {
    return el("span", { class: `pill ${KINDS[status] || ""}` }, statusWords[status] || status);
}

export function seatText(booking) {
    if (booking.seats?.length > 0)
        return `${booking.seats.length === 1 ? "Seat" : "Seats"} ${booking.seats.join(", ")}`;
    return booking.items.map((line) => `${line.quantity} × ${line.tier}`).join(", ");
}

export function priceLines(booking) {
    return el("ul", { class: "lines" }, booking.items.map((line) => el("li", {},
        el("span", {}, `${line.quantity} × ${line.tier}`),
        el("span", { class: "number" }, line.amount === 0 ? "Free"
            : amount(line.amount, booking.currency)))));
}

export function refundText(booking) {
    const back = booking.payment?.refunds?.reduce((sum, refund) => sum + refund.amount, 0) || 0;
    return back > 0 ? `${amount(back, booking.currency)} go back to you.` : "";
}

export function isLive(booking) {
    return ["HELD", "PENDING", "CONFIRMED"].includes(booking.status);
}
