"""make faults-mutants: the product broken on purpose, and whether `make faults` finds it.

Each mutant is a row: a sentence, replacements of exact strings in a copy of the tree (one that is
not found, or found twice, fails loudly), and the invariants of which one at least must speak. The
harness runs as by default, but for a shorter time and with more cards for the faults that matter to
the mutant; all of them are in the default run as well. Ends with 1 unless every mutant was caught.

    /usr/bin/python3 tests/faults/mutants.py [NAME …]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NOT_COPIED = ("build", "run")  # and what begins with a dot
MINUTES = "1.5"
ATTEMPTS = 2  # chance decides what a schedule hits: another seed gets a second try


@dataclass(frozen=True)
class Mutant:
    name: str
    sentence: str
    patches: tuple   # (file, exact old text, new text)
    weights: tuple   # FAULT=N
    caught_by: tuple  # invariants (checker.py)


MUTANTS = (
    Mutant("answer_before_commit", "answers leave as soon as the commit was sent",
           (("allocator/allocator.c",
             "        a->in_flight = next;\n    }\n"
             "    return committed != NULL ? publish(a, committed) : ERR_NONE;\n",
             "        a->in_flight = next;\n        TRY(publish(a, next));\n    }\n"
             "    (void)committed;\n    return ERR_NONE;\n"),),
           ("commit_lost_on_its_way=12", "postgres_stopped_immediately=6"),
           ("acknowledged_is_there", "told_is_decided")),
    Mutant("lua_without_epoch", "the decision script does not look whose state it is",
           (("lua/decide.lua", "  if not seen or seen < epoch then", "  if not seen then"),
            ("lua/decide.lua", "  elseif seen > epoch then", "  elseif false then")),
           ("decision_late_after_the_next_take=12", "partition_stolen=6"),
           ("redis_witness_is_silent",)),
    Mutant("sql_without_epoch", "the commit does not look whose partition it is",
           (("sql/0012_seat_speed.sql",
             "  WHERE partition = p_partition AND epoch = p_epoch AND version = p_version - 1;",
             "  WHERE partition = p_partition AND version = p_version - 1;"),),
           ("partition_stolen_between_claim_and_take=8", "partition_stolen=4"),
           ("postgres_witness_is_silent", "journal_runs_forward")),
    Mutant("cursor_outside_the_transaction", "the cursor moves in a transaction of its own, before",
           (("sql/0012_seat_speed.sql",
             "  SET version = p_version, cursor = p_cursor, now_ms = greatest(now_ms, p_now_ms),",
             "  SET version = p_version, now_ms = greatest(now_ms, p_now_ms),"),
            ("sql/0002_commit.sql",
             "CREATE FUNCTION booking_moves_of(",
             "CREATE FUNCTION advance_cursor(p_partition integer, p_cursor text) RETURNS void\n"
             "LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$\n"
             "  UPDATE partitions SET cursor = p_cursor WHERE partition = p_partition\n$$;\n\n"
             "CREATE FUNCTION booking_moves_of("),
            ("sql/0003_roles.sql", "  commit_batch, status_number TO usher_allocator;",
             "  commit_batch, status_number, advance_cursor TO usher_allocator;"),
            ("allocator/ledger.c",
             "    assert(!l->committing);\n    if (!columns_finish(",
             "    assert(!l->committing);\n"
             "    struct words moved = {0};\n    struct postgres_result *none = NULL;\n"
             "    put_number(&moved, t->partition);\n    put_word(&moved, batch->cursor.text);\n"
             "    TRY(owner_query(l, \"SELECT advance_cursor($1::integer, $2)\", &moved, &none));\n"
             "    postgres_result_free(none);\n    if (!columns_finish(")),
           ("allocator_killed=8", "commit_lost_on_its_way=8"),
           ("postgres_witness_is_silent", "accepted_is_decided", "journal_runs_forward")),
    Mutant("trim_before_commit", "the stream is trimmed as soon as its entries are decided",
           (("allocator/allocator.c",
             "        TRY(ledger_begin(&a->ledger, &a->tenure, next));\n",
             "        TRY(ledger_begin(&a->ledger, &a->tenure, next));\n"
             "        TRY(publisher_trim(&a->publisher, &a->tenure, &next->cursor));\n"),
            ("allocator/publisher.h", "enum err publisher_finish(",
             "enum err publisher_trim(struct publisher *p, const struct tenure *t,\n"
             "                        const struct cursor *cursor);\nenum err publisher_finish("),
            ("allocator/publisher.c", "enum err publisher_finish(struct publisher *p)\n{",
             "enum err publisher_trim(struct publisher *p, const struct tenure *t,\n"
             "                        const struct cursor *cursor)\n{\n"
             "    struct key stream = key_requests(t->partition);\n"
             "    char behind[CURSOR_BYTES_MAX + 24];\n    uint64_t ms = 0, sequence = 0;\n\n"
             "    sscanf(cursor->text, \"%\" SCNu64 \"-%\" SCNu64, &ms, &sequence);\n"
             "    int len = snprintf(behind, sizeof behind, \"%\" PRIu64 \"-%\" PRIu64, ms,"
             " sequence + 1);\n"
             "    struct span trim[] = {SPAN(\"XTRIM\"), {stream.text, stream.len}, SPAN(\"MINID\"),"
             "\n                          {behind, (size_t)len}};\n"
             "    TRY(redis_send(p->redis, 4, trim));\n    return redis_flush(p->redis);\n}\n\n"
             "enum err publisher_finish(struct publisher *p)\n{")),
           ("allocator_killed=8", "commit_lost_on_its_way=8", "postgres_backends_terminated=4"),
           ("accepted_is_decided",)),
    Mutant("seats_unguarded", "a seat is given though somebody has it, and the commit does not look",
           (("lua/operations.lua", "    if byte % 8 ~= 0 then\n      taken[",
             "    if byte % 8 == 4 then\n      taken["),
            ("lua/seats.lua", "  assert(byte and byte % 8 == from, 'seats have drifted')\n",
             "  byte = byte - byte % 8 + from\n"),
            ("sql/0012_seat_speed.sql",
             "    LEFT JOIN seat_map m ON m.show = n.show AND m.position = n.position"
             " AND n.tier IN (0, m.tier);\n",
             "    LEFT JOIN seat_map m ON m.show = n.show AND m.position = n.position"
             " AND n.tier IN (0, m.tier)\n    ON CONFLICT DO NOTHING;\n"),
            ("sql/0012_seat_speed.sql",
             "    fits := batch_expects('seats that are given back', affected,\n"
             "                          (SELECT count(f) FROM unnest(m_from) f));\n", ""),
            ("sql/0012_seat_speed.sql",
             "    fits := batch_expects('bookings that have other seats than their places', affected,"
             " 0);\n", "")),
           (), ("decisions_are_true", "seats_are_of_their_bookings")),
    Mutant("offers_beyond_stock", "who waits is offered a place more than there is",
           (("lua/waiting.lua",
             "  local most = math.min(show.tiers[tier].available, show.max_per_booking)\n",
             "  local counts = show.tiers[tier]\n"
             "  local most = math.min(counts.available + (counts.has_seats and 0 or 1),\n"
             "                        show.max_per_booking)\n"),
            ("sql/0001_core.sql", "CHECK (available >= 0)", "CHECK (available >= -9)")),
           (), ("decisions_are_true", "offers_are_in_order")),
    Mutant("offers_out_of_order", "of the groups that fit, the last to join is offered places first",
           (("lua/waiting.lua", "entry[E_POSITION] < first_entry[E_POSITION]",
             "entry[E_POSITION] > first_entry[E_POSITION]"),),
           (), ("offers_are_in_order",)),
    Mutant("waiting_passed_over", "what comes back is not offered before the next request is decided",
           (("lua/decide.lua",
             "      if show then\n        offer_returned(show, now)\n      end\n", ""),),
           (), ("offers_are_in_order", "nobody_is_passed_over")),
    Mutant("refunds_forgotten", "who gives a part of a paid booking back gets no money for it",
           (("sql/0005_payments.sql", "  IF NOT FOUND OR over = 0 THEN\n",
             "  IF NOT FOUND OR over = 0 OR lives THEN\n"),),
           (), ("money_is_for_the_living", "postgres_is_whole")),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--minutes", default=MINUTES)
    parser.add_argument("--default", action="store_true",
                        help="no weights: one run as `make faults` does it")
    parser.add_argument("--build-only", action="store_true", help="patch and compile, run nothing")
    options = parser.parse_args()
    known = {mutant.name: mutant for mutant in MUTANTS}
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen = [known[name] for name in options.names or known]
    survivors = [mutant.name for mutant in chosen if not is_caught(mutant, options)]
    if options.build_only:
        return 0
    print(f"mutants: {len(chosen) - len(survivors)} caught, {len(survivors)} survived"
          + (f": {', '.join(survivors)}" if survivors else ""))
    return 1 if survivors else 0


def is_caught(mutant, options):
    with tempfile.TemporaryDirectory(prefix="usher-m-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        copy_tree(folder)
        for file, old, new in mutant.patches:
            patch(folder / file, old, new)
        subprocess.run(["make", "-s", "-j2", "build"], cwd=folder, check=True,
                       env={**os.environ, "MAKEFLAGS": ""})
        print(f"mutants: {mutant.name} ({mutant.sentence}) is built", flush=True)
        if options.build_only:
            return True
        if options.default:
            return attempt(mutant, folder, [])
        words = ["--minutes", options.minutes]
        for weight in mutant.weights:
            words += ["--weight", weight]
        return any(attempt(mutant, folder, words) for _ in range(ATTEMPTS))


def copy_tree(folder):
    for source in REPOSITORY.iterdir():
        if source.name in NOT_COPIED or source.name.startswith("."):
            continue
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns(
                "__pycache__", ".pytest_cache", "corpus"))
        else:
            shutil.copy2(source, folder / source.name)


def patch(path, old, new):
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"mutants: {path.name} has the text to be replaced {text.count(old)} "
                         f"times, not once:\n{old}")
    path.write_text(text.replace(old, new), encoding="utf-8")


def attempt(mutant, folder, words):
    """One run. Caught is caught by one of the invariants that the mutant breaks, not by accident."""
    began = time.monotonic()
    done = subprocess.run(
        ["/usr/bin/python3", str(folder / "tests/faults/run.py"), *words],
        cwd=folder, capture_output=True, check=False,
        env={**os.environ, "USHER_BUILD": "build", "TMPDIR": str(folder)})
    text = done.stdout.decode() + done.stderr.decode()
    spoke = set(re.findall(r"^  \[[^\]]+\] (\w+):", text, re.MULTILINE))
    if not re.search(r"^faults: \d+ operations, ", text, re.MULTILINE):
        print(f"mutants: {mutant.name}: the harness itself failed\n{text}", flush=True)
        return False
    caught = bool(spoke & set(mutant.caught_by))
    seed = re.search(r"seed (\d+)", text)
    print(f"mutants: {mutant.name}: {'caught' if caught else 'NOT caught'} in "
          f"{time.monotonic() - began:.0f} s, seed {seed.group(1) if seed else '?'}, by "
          f"{', '.join(sorted(spoke)) or 'nothing'}", flush=True)
    if not caught:
        print("\n".join(text.splitlines()[-25:]))
    return caught


if __name__ == "__main__":
    sys.exit(main())
