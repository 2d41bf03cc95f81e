// usher's waiting room for a shop's own page:
//   <script src="…/waiting-room.js" data-show="gala" async></script>
// A line of text takes the script's place. Once it is the visitor's turn, the script's element gets
// the event "usher:admitted" with detail {show, admission, expires}; a booking sends it along in the
// field Usher-Admission. The shop's origin must be among the gateway's cors_origins.
(() => {
    const script = document.currentScript;
    const origin = new URL(script.src).origin;
    const { show, user } = script.dataset;
    const name = `usher.room.${show}`;
    const line = document.createElement("p");
    line.className = "usher-waiting-room";
    line.setAttribute("role", "status");
    script.after(line);

    const ask = async (path, options) => {
        const answer = await fetch(origin + path, options);
        if (answer.status === 410 || answer.status === 404)
            localStorage.removeItem(name); // the place is gone: join again
        if (!answer.ok)
            throw new Error(`status ${answer.status}`);
        return answer.json();
    };
    const join = () => ask(`/v1/shows/${encodeURIComponent(show)}/queue`, { method: "POST",
        headers: { "Content-Type": "application/json" }, body: JSON.stringify(user ? { user } : {}) });
    const look = (kept) => ask(`/v1/queue/${encodeURIComponent(kept)}`);
    const words = (p) => ({ off: "Come in.", admitted: "It is your turn.", sold_out: "Sold out.",
        draw: `The doors open ${new Date(p.opens_at).toLocaleString()}; the order is drawn then.`,
        waiting: `You are number ${p.place} in line; ${p.left} places left.` })[p.state];

    const turn = async () => {
        let wait = 5000;
        try {
            const kept = localStorage.getItem(name);
            const place = kept ? await look(JSON.parse(kept).ticket) : await join();
            if (place.ticket)
                localStorage.setItem(name, JSON.stringify({ ticket: place.ticket, user }));
            line.textContent = words(place);
            if (place.admission || place.state === "off")
                script.dispatchEvent(new CustomEvent("usher:admitted", { bubbles: true, detail:
                    { show, admission: place.admission, expires: place.admission_expires_at } }));
            wait = place.admission ? 0 : Math.max(1000, place.poll_ms || wait);
        } catch {
            line.textContent = "The waiting room cannot be reached; trying again …";
        }
        if (wait > 0)
            setTimeout(turn, wait * (1 + Math.random() / 4));
    };
    turn();
})();
