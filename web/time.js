// Times, and the server's clock: holds end by that one, however wrong this machine's is.

const DAY_MS = 24 * 3600 * 1000;
const bounds = { low: -Infinity, high: Infinity };

/** The Date field of an answer, whole seconds, narrows down how far the clocks are apart. */
export function learnClock(dateField, sentMs, receivedMs) {
    const server = Date.parse(dateField);
    if (Number.isNaN(server))
        return;
    const low = server - receivedMs;
    const high = server + 1000 - sentMs;
    if (low > bounds.high || high < bounds.low) {
        bounds.low = low; // a clock was set
        bounds.high = high;
        return;
    }
    bounds.low = Math.max(bounds.low, low);
    bounds.high = Math.min(bounds.high, high);
}

export function serverNow() {
    const offset = Number.isFinite(bounds.low) ? (bounds.low + bounds.high) / 2 : 0;
    return Date.now() + offset;
}

const dateFormat = new Intl.DateTimeFormat(undefined,
    { weekday: "short", day: "numeric", month: "long", year: "numeric" });
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const shortFormat = new Intl.DateTimeFormat(undefined,
    { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const secondFormat = new Intl.DateTimeFormat(undefined,
    { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const monthFormat = new Intl.DateTimeFormat(undefined, { month: "short" });

export function longDate(text) {
    return text ? `${dateFormat.format(new Date(text))}, ${timeFormat.format(new Date(text))}`
        : "Any time";
}

export function shortDate(text) {
    return text ? shortFormat.format(new Date(text)) : "";
}

export function clockTime(ms) {
    return timeFormat.format(new Date(ms));
}

export function clockSeconds(ms) {
    return secondFormat.format(new Date(ms));
}

/** What a calendar's leaf shows. */
export function leaf(text) {
    const date = new Date(text);
    return { month: monthFormat.format(date), day: String(date.getDate()),
        year: String(date.getFullYear()) };
}

/** 3:07, 1:02:09, 4 d 03:00:00 */
export function span(ms) {
    const s = Math.max(0, Math.ceil(ms / 1000));
    const two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24;
    const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
    if (days > 0)
        return `${days} d ${two(hours)}:${rest}`;
    return hours > 0 ? `${hours}:${rest}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** For sentences: "about 3 minutes". */
export function roughly(ms) {
    const s = ms / 1000;
    if (s < 45)
        return "less than a minute";
    if (s < 90)
        return "about a minute";
    if (s < 3600)
        return `about ${Math.round(s / 60)} minutes`;
    if (ms < DAY_MS)
        return `about ${Math.round(s / 3600)} hours`;
    return `about ${Math.round(ms / DAY_MS)} days`;
}

/** The two ways a screen reader is told of time that runs out: rarely, then oftener. */
export function isWorthSaying(secondsLeft) {
    return [300, 120, 60, 30, 10].includes(secondsLeft);
}
