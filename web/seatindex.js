// Which seats are where: cells of the plan, so that whatever is in view or near is found at once.

const CELL = 8;         // seats' distances to a side of a cell
const STRIDE = 65536;   // cells in a line of them
const SAMPLE = 500;

export class SeatIndex {
    constructor(seats) {
        this.seats = seats;
        this.cells = new Map();
        this.box = null;    // {left, top, right, bottom} of all seats, once there are some
        this.pitch = 1;     // the distance between neighbours
    }

    measure() {
        const s = this.seats;
        const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
        for (let i = 0; i < s.count; i++) {
            box.left = Math.min(box.left, s.x[i]);
            box.right = Math.max(box.right, s.x[i]);
            box.top = Math.min(box.top, s.y[i]);
            box.bottom = Math.max(box.bottom, s.y[i]);
        }
        this.box = s.count > 0 ? box : null;
        this.pitch = this.findPitch();
        this.cells.clear();
        for (let i = 0; i < s.count; i++)
            this.add(i);
    }

    /* The usual distance between seats that follow each other. */
    findPitch() {
        const s = this.seats, seen = [];
        for (let i = 1; i < s.count && seen.length < SAMPLE; i++) {
            const d = Math.hypot(s.x[i] - s.x[i - 1], s.y[i] - s.y[i - 1]);
            if (d > 0)
                seen.push(d);
        }
        seen.sort((a, b) => a - b);
        return seen[Math.floor(seen.length / 2)] || 1;
    }

    add(i) {
        const side = CELL * this.pitch;
        const name = Math.floor(this.seats.x[i] / side) * STRIDE +
            Math.floor(this.seats.y[i] / side);
        const cell = this.cells.get(name);
        if (cell)
            cell.push(i);
        else
            this.cells.set(name, [i]);
    }

    /** Every seat whose cell touches the rectangle. */
    within(left, top, right, bottom, visit) {
        const side = CELL * this.pitch, b = this.box;
        const from = (least, low) => Math.floor(Math.max(least, low) / side);
        for (let cx = from(left, b.left); cx <= Math.floor(Math.min(right, b.right) / side); cx++)
            for (let cy = from(top, b.top); cy <= Math.floor(Math.min(bottom, b.bottom) / side); cy++) {
                const cell = this.cells.get(cx * STRIDE + cy);
                if (cell)
                    for (const i of cell)
                        visit(i);
            }
    }

    /** The seat nearest to a point, at most so far away; or -1. */
    nearest(x, y, reach) {
        let best = -1, least = reach;
        if (this.box)
            this.within(x - reach, y - reach, x + reach, y + reach, (i) => {
                const d = Math.hypot(this.seats.x[i] - x, this.seats.y[i] - y);
                if (d < least) {
                    least = d;
                    best = i;
                }
            });
        return best;
    }

    /** The next seat in a direction: straight ahead counts more than aside; or -1. */
    next(from, dx, dy) {
        const s = this.seats, x = s.x[from], y = s.y[from], pitch = this.pitch;
        for (let reach = 3 * pitch; reach < 4000 * pitch; reach *= 4) {
            let best = -1, least = Infinity;
            this.within(x - reach, y - reach, x + reach, y + reach, (i) => {
                const ahead = (s.x[i] - x) * dx + (s.y[i] - y) * dy;
                const aside = Math.abs((s.x[i] - x) * dy) + Math.abs((s.y[i] - y) * dx);
                if (ahead > 0.2 * pitch && aside <= ahead * 1.5 && ahead + 2.5 * aside < least) {
                    least = ahead + 2.5 * aside;
                    best = i;
                }
            });
            if (best >= 0)
                return best;
        }
        return -1;
    }
}
