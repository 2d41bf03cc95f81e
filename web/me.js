// Who is asking: a name kept on this machine, and a token where the house demands one.

const NAME = "usher.me";
const TOKEN = "usher.token";

export function myName() {
    return localStorage.getItem(NAME) || "";
}

export function setMyName(name) {
    localStorage.setItem(NAME, name.trim());
}

/** The house's own sign-in sends people back with #access_token=…: kept for this visit only. */
export function takeToken() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const token = fragment.get("access_token");
    if (!token)
        return;
    sessionStorage.setItem(TOKEN, token);
    const subject = subjectOf(token);
    if (subject)
        setMyName(subject);
    history.replaceState(null, "", location.pathname + location.search);
}

export function myToken() {
    return sessionStorage.getItem(TOKEN) || "";
}

function subjectOf(token) {
    try {
        const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
        return JSON.parse(atob(part)).sub || "";
    } catch {
        return "";
    }
}
