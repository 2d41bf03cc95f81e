// The list of shows, with search.

import { el, replace, announce } from "../dom.js";
import { load } from "../load.js";
import { money, plural } from "../money.js";
import { poster } from "../poster.js";
import { leaf, longDate, serverNow } from "../time.js";

const TYPING_MS = 200;
const PAGE = 24;

function saleState(show) {
    const now = serverNow();
    if (show.state === "closed" || (show.sales_close_at && Date.parse(show.sales_close_at) <= now))
        return el("span", { class: "pill" }, "Sale closed");
    if (show.sales_open_at && Date.parse(show.sales_open_at) > now)
        return el("span", { class: "pill wait" }, `Opens ${longDate(show.sales_open_at)}`);
    return el("span", { class: "pill good" }, "On sale");
}

function priceOf(show) {
    const prices = show.tiers.map((tier) => tier.price);
    if (prices.length === 0)
        return "";
    const least = Math.min(...prices);
    const text = money(least, show.currency);
    return Math.max(...prices) > least ? `from ${text}` : text;
}

function card(show) {
    const picture = poster(show.series || show.slug);
    const when = leaf(show.starts_at || Date.now());
    return el("article", { class: "card show" },
        el("div", { class: "poster" }, picture.firstChild,
            show.starts_at && el("div", { class: "leaf", "aria-hidden": "true" },
                el("span", {}, when.month), el("b", {}, when.day), el("span", {}, when.year))),
        el("div", { class: "text" },
            el("p", { class: "when" }, longDate(show.starts_at)),
            el("h2", {}, el("a", { href: `/shows/${encodeURIComponent(show.slug)}` }, show.name)),
            el("p", { class: "quiet small" }, show.category.replace(/^./, (c) => c.toUpperCase())),
            el("div", { class: "foot" }, el("span", { class: "price" }, priceOf(show)),
                saleState(show))));
}

function query(state, cursor) {
    const words = new URLSearchParams({ limit: PAGE });
    if (state.q)
        words.set("q", state.q);
    if (state.category)
        words.set("category", state.category);
    if (cursor)
        words.set("cursor", cursor);
    return `/v1/shows?${words}`;
}

function remember(state) {
    const words = new URLSearchParams();
    if (state.q)
        words.set("q", state.q);
    if (state.category)
        words.set("category", state.category);
    history.replaceState(null, "", words.size > 0 ? `/?${words}` : "/");
}

class List {
    constructor(main) {
        const words = new URLSearchParams(location.search);
        this.state = { q: words.get("q") || "", category: words.get("category") || "" };
        this.asking = null;
        this.shows = el("div", { class: "shows", "aria-live": "off" },
            Array.from({ length: 6 }, () => el("div", { class: "ghost", "aria-hidden": "true" })));
        this.more = el("div", { class: "more" });
        this.categories = el("select", { on: { change: () => this.choose() } },
            el("option", { value: "" }, "Everything"));
        this.words = el("input", { type: "search", name: "q", value: this.state.q,
            placeholder: "Name of a show", autocomplete: "off", maxlength: 100,
            on: { input: () => this.type() } });
        replace(main, el("h1", {}, "What’s on"),
            el("form", { class: "search", role: "search",
                on: { submit: (event) => { event.preventDefault(); this.ask(); } } },
            el("label", {}, "Search", this.words), el("label", {}, "Kind", this.categories)),
            this.shows, this.more);
    }

    type() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => {
            this.state.q = this.words.value.trim();
            this.ask();
        }, TYPING_MS);
    }

    choose() {
        this.state.category = this.categories.value;
        this.ask();
    }

    fillCategories(shows) {
        const known = new Set([...this.categories.options].map((option) => option.value));
        for (const name of [...new Set(shows.map((show) => show.category))].sort())
            if (!known.has(name))
                this.categories.append(el("option", { value: name },
                    name.replace(/^./, (c) => c.toUpperCase())));
        this.categories.value = this.state.category;
    }

    async ask(cursor) {
        this.asking?.abort();
        this.asking = new AbortController();
        remember(this.state);
        try {
            const found = await load(query(this.state, cursor), { signal: this.asking.signal });
            this.tell(found, Boolean(cursor));
        } catch (error) {
            if (error.name !== "AbortError")
                throw error;
        }
    }

    tell(found, isMore) {
        this.fillCategories(found.shows);
        if (isMore)
            this.shows.append(...found.shows.map(card));
        else if (found.shows.length > 0)
            replace(this.shows, found.shows.map(card));
        else
            replace(this.shows, el("p", { class: "note" }, this.state.q || this.state.category
                ? "Nothing is called that. Try fewer letters, or everything."
                : "Nothing is on sale yet. Shows appear here as soon as they are announced."));
        replace(this.more, found.next && el("button",
            { on: { click: () => this.ask(found.next) } }, "More shows"));
        if (this.state.q || isMore)
            announce(plural(found.shows.length, "show", "shows"));
    }
}

export async function show(main) {
    const list = new List(main);
    if (list.state.category) // its name is needed before it can be chosen
        list.fillCategories([{ category: list.state.category }]);
    await list.ask();
}
