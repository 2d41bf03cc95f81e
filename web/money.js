// Money is whole minor units and a currency, as the API has it.

const formats = new Map();

function format(currency) {
    if (!formats.has(currency)) {
        const exact = new Intl.NumberFormat(undefined, { style: "currency", currency });
        const whole = new Intl.NumberFormat(undefined,
            { style: "currency", currency, maximumFractionDigits: 0, minimumFractionDigits: 0 });
        const digits = exact.resolvedOptions().maximumFractionDigits;
        formats.set(currency, { exact, whole, unit: 10 ** digits });
    }
    return formats.get(currency);
}

/** 1250, "USD" is $12.50; 10000 is $100; 0 is Free. */
export function money(minor, currency) {
    if (minor === 0)
        return "Free";
    return amount(minor, currency);
}

export function amount(minor, currency) {
    const { exact, whole, unit } = format(currency);
    return (minor % unit === 0 ? whole : exact).format(minor / unit);
}

export function count(n) {
    return new Intl.NumberFormat().format(n);
}

export function plural(n, one, many) {
    return `${count(n)} ${n === 1 ? one : many}`;
}
