// The draw of a waiting room, done again: which number each order of arrival got. It is a Feistel
// network over the arrivals, keyed with what was published at the opening.

const ROUNDS = 8;

function bytesOf(hex) {
    return Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
}

function hexOf(buffer) {
    return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether this browser can: outside https and localhost it may not. */
export function canDraw() {
    return Boolean(globalThis.crypto?.subtle);
}

/** What must have been published before the opening for this key. */
export async function commitmentOf(keyHex) {
    return hexOf(await crypto.subtle.digest("SHA-256", bytesOf(keyHex)));
}

export class Draw {
    static async with(keyHex, count) {
        const key = await crypto.subtle.importKey("raw", bytesOf(keyHex),
            { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        return new Draw(key, count);
    }

    constructor(key, count) {
        this.key = key;
        this.count = count;
        this.half = 1;
        while (4 ** this.half < count)
            this.half++;
        this.mask = 2 ** this.half - 1;
    }

    /* The first four bytes of HMAC-SHA-256(key, round and half a number). */
    async round(r, right) {
        const message = new DataView(new ArrayBuffer(5));
        message.setUint8(0, r);
        message.setUint32(1, right);
        const mac = await crypto.subtle.sign("HMAC", this.key, message.buffer);
        return new DataView(mac).getUint32(0);
    }

    /** 1 <= arrival <= count. */
    async numberOf(arrival) {
        let x = arrival - 1;
        do {
            let left = Math.floor(x / 2 ** this.half), right = (x & this.mask) >>> 0;
            for (let r = 0; r < ROUNDS; r++)
                [left, right] = [right, (left ^ (await this.round(r, right) & this.mask)) >>> 0];
            x = left * 2 ** this.half + right;
        } while (x >= this.count);
        return x + 1;
    }
}
