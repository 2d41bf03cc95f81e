// Which page this is. Each page's module shows itself in <main> and says what its title is.

import { el, replace } from "./dom.js";
import { takeToken } from "./me.js";

const pages = [
    [/^\/$/, "shows", () => import("./pages/shows.js")],
    [/^\/shows\/([^/]+)$/, "shows", () => import("./pages/show.js")],
    [/^\/bookings$/, "bookings", () => import("./pages/bookings.js")],
    [/^\/draw\/([^/]+)$/, "shows", () => import("./pages/draw.js")],
    [/^\/admin$/, "admin", () => import("./pages/admin.js")],
];

async function begin() {
    const main = document.getElementById("main");
    takeToken();
    try {
        const found = pages.find(([p]) => p.test(location.pathname));
        if (!found) {
            replace(main, el("h1", {}, "There is nothing here"),
                el("p", {}, el("a", { href: "/" }, "See what’s on.")));
            return;
        }
        const [pattern, name, load] = found;
        document.querySelector(`nav [data-page="${name}"]`)?.setAttribute("aria-current", "page");
        const page = await load();
        const words = location.pathname.match(pattern)?.slice(1) || [];
        await page.show(main, ...words.map(decodeURIComponent));
    } catch (error) {
        console.error(error);
        replace(main, el("div", { class: "note bad stack tight", role: "alert" },
            el("p", {}, "This page could not be loaded. Please try again in a moment."),
            el("p", {}, el("button", { on: { click: () => location.reload() } }, "Try again"))));
    } finally {
        main.removeAttribute("aria-busy");
    }
}

begin();
