// Making and filling elements. Text is always text: nothing here takes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
    for (const [name, value] of Object.entries(props || {})) {
        if (value === undefined || value === null || value === false)
            continue;
        if (name === "on")
            for (const [event, listener] of Object.entries(value))
                element.addEventListener(event, listener);
        else if (name === "vars")
            for (const [key, text] of Object.entries(value))
                element.style.setProperty(`--${key}`, text);
        else
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null &&
        child !== undefined && child !== false));
    return element;
}

/** el("p", {class: "note", on: {click}}, "text", other, …) */
export function el(tag, props, ...children) {
    return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
    return fill(document.createElementNS(SVG, tag), props, children);
}

export function replace(element, ...children) {
    element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null &&
        child !== undefined && child !== false));
}

/** Writes only what has changed: a screen reader is not told the same again. */
export function setText(element, text) {
    if (element.textContent !== text)
        element.textContent = text;
}

/** Says something to people who do not see the page. */
export function announce(text) {
    const announcer = document.getElementById("announcer");
    announcer.textContent = "";
    setTimeout(() => { announcer.textContent = text; }, 50);
}

export function pause(ms, signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, ms);
        signal?.addEventListener("abort", () => {
            clearTimeout(timer);
            reject(signal.reason);
        }, { once: true });
    });
}
