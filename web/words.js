// What went wrong, as sentences for people: what happened, and what to do.

import { plural } from "./money.js";

function seatsTaken(problem) {
    const seats = problem.conflicts || [];
    if (seats.length === 0)
        return "Somebody was a moment quicker: that seat is taken. Please pick another one.";
    if (seats.length === 1)
        return `Somebody was a moment quicker: seat ${seats[0]} is taken. ` +
            "Nothing was booked; please pick another one.";
    return `Somebody was a moment quicker: seats ${seats.join(", ")} are taken. ` +
        "Nothing was booked; please pick others.";
}

const sentences = {
    SOLD_OUT: () => "Sold out: the last places went a moment ago. Places that are given back " +
        "appear here by themselves.",
    ALREADY_BOOKED: () => "You have your place already: it is under My bookings.",
    SEAT_TAKEN: seatsTaken,
    NOT_ENOUGH: () => "There are not that many places left. Try fewer, or another price.",
    LIMIT_EXCEEDED: () => "That is more than one person may have of this show. " +
        "What you hold or have booked counts too.",
    SALE_NOT_OPEN: () => "The sale has not opened yet. This page opens it by itself when it does.",
    SALE_CLOSED: () => "The sale is closed.",
    SALE_PAUSED: () => "The sale is paused for a moment. Nothing was booked; please try again soon.",
    INVENTORY_IN_USE: () => "Some of these places are held or booked: those cannot be taken away.",
    ALREADY_EXISTS: () => "There is one of that name already.",
    QUEUE_REQUIRED: () => "Please join the waiting room first: it is on this page.",
    HOLD_EXPIRED: () => "Your time ran out, and the places went back on sale. " +
        "You can choose again.",
    ILLEGAL_STATE: () => "This booking has changed meanwhile. Below is how it stands now.",
    NOT_FOUND: () => "This is not there (any more).",
    PAYMENT_FAILED: () => "The payment did not go through, so nothing was charged. " +
        "The places are free again: choose once more to try another way of paying.",
    PAYMENT_REQUIRED: () => "This booking must be paid first.",
    KEY_REUSED: () => "This was asked before with other words. Please try again.",
    TIMED_OUT: () => "It took too long, so nothing was booked and nothing was charged. " +
        "Please try again.",
    OVERLOADED: () => "Very many people are asking right now. Nothing was booked; " +
        "please try again in a moment.",
    RATE_LIMITED: () => "That was a little quick. Please wait a moment and try again.",
    UNAUTHENTICATED: () => "Please sign in first.",
    FORBIDDEN: () => "This is not allowed for you.",
    CHALLENGE_REQUIRED: () => "Please show first that you are a person, and try again.",
    ALREADY_WAITING: () => "You are on the waiting list already.",
    STILL_AVAILABLE: () => "There are places left: you can book them right now.",
    INTERNAL: () => "Something is wrong on our side. Nothing was booked; please try again later.",
};

/** A problem document, or whatever else was thrown. */
export function sentence(problem) {
    const make = sentences[problem?.code];
    if (make)
        return make(problem);
    if (problem?.detail)
        return problem.detail.endsWith(".") ? problem.detail : `${problem.detail}.`;
    return "That did not work. Please try again.";
}

/** How a command stands that has no answer yet. */
export function standing(state) {
    switch (state.kind) {
    case "lost":
        return "The connection is lost. Your request is safe: it is asked again as soon as the " +
            "connection is back, and never done twice.";
    case "busy":
        return "Very many people are asking right now. Your request is sent again in " +
            `${plural(state.seconds, "second", "seconds")}; please stay.`;
    case "queued":
        return state.position > 1
            ? `You are number ${state.position} in line. Please stay; it is a matter of seconds.`
            : "It is your turn in a moment.";
    default:
        return "One moment…";
    }
}

export const statusWords = {
    HELD: "Held for you",
    PENDING: "Payment under way",
    CONFIRMED: "Confirmed",
    CANCELLED: "Cancelled",
    EXPIRED: "Time ran out",
    FAILED: "Payment failed",
};
