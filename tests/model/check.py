#!/usr/bin/python3
"""Check partition.pml and move.pml with spin: every configuration must hold, every mutation must be
refuted.

    check.py [--build DIR] [--deep] [--only WORD]

Each row is compiled into a verifier of its own and run over all reachable states. A row counts as
holding only if the search was completed; a mutation counts as refuted only by a violated property,
not by a bound of the model. A violation is shown as the steps that lead to it.
"""
import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
MEMORY_MIB = 3900
MINUTES_MAX = 20

# What the world may do, and what holds nevertheless. Adding one is adding a row.
CONFIGURATIONS = [
    # name, definitions
    ('crash, theft, rollback; two in flight', 'CRASHES=1 THEFTS=1 ROLLBACKS=1 DEPTH=2'),
    ('lost COMMIT, theft, rollback; two in flight', 'LOSSES=1 THEFTS=1 ROLLBACKS=1 DEPTH=2'),
    ('crash, lost COMMIT, rollback; two in flight', 'CRASHES=1 LOSSES=1 ROLLBACKS=1 DEPTH=2'),
    ('crash, theft, lost COMMIT, flush; all ids twice',
     'CRASHES=1 THEFTS=1 LOSSES=1 FLUSHES=1 REPEATS=2'),
    ('theft, flush, rollback', 'THEFTS=1 FLUSHES=1 ROLLBACKS=1'),
    ('two crashes, two thefts, lost COMMIT', 'CRASHES=2 THEFTS=2 LOSSES=1'),
    ('crash, theft, lost COMMIT; deadlines pass', 'CRASHES=1 THEFTS=1 LOSSES=1 TIMEOUTS=1'),
    ('theft, lost call, rollback', 'THEFTS=1 BREAKS=1 ROLLBACKS=1'),
    ('crash, theft, half a script, lost call', 'CRASHES=1 THEFTS=1 HALVES=1 BREAKS=1'),
    ('theft, lost COMMIT, half a script, lost call; two in flight',
     'THEFTS=1 LOSSES=1 HALVES=1 BREAKS=1 DEPTH=2'),
    ('crash, theft, rollback; the clock runs back', 'CRASHES=1 THEFTS=1 ROLLBACKS=1 CLOCK_BACK=1'),
    ('crash, theft, flush; the clock runs back', 'CRASHES=1 THEFTS=1 FLUSHES=1 CLOCK_BACK=1'),
    ('three ids, two places; crash, theft; two in flight',
     'IDS=3 STOCK=2 CRASHES=1 THEFTS=1 DEPTH=2'),
]

DEEP = [
    ('crash, theft, lost COMMIT, rollback', 'CRASHES=1 THEFTS=1 LOSSES=1 ROLLBACKS=1'),
    ('crash, theft, rollback; the clock runs back; two in flight',
     'CRASHES=1 THEFTS=1 ROLLBACKS=1 CLOCK_BACK=1 DEPTH=2'),
    ('three ids, two places; crash, theft, lost COMMIT, flush',
     'IDS=3 STOCK=2 CRASHES=1 THEFTS=1 LOSSES=1 FLUSHES=1'),
]

# No execution goes on for ever: the states have no cycle. With the quiescence that is asserted
# where nothing more can happen, whatever breaks, all is well again after a bounded number of steps.
ENDLESS = [
    ('crash, theft, flush; two in flight: every execution ends',
     'CRASHES=1 THEFTS=1 FLUSHES=1 DEPTH=2'),
    ('lost COMMIT, rollback: every execution ends', 'LOSSES=1 ROLLBACKS=1'),
]

ALL = 'CRASHES=1 THEFTS=1 LOSSES=1 ROLLBACKS=1'
SEEN = ' CONSEQUENCES ORPHANS=2'  # judged by what people would see alone
MUTATIONS = [
    ('no epoch in commit_batch', 'MUTATE_SQL_WITHOUT_EPOCH ' + ALL + SEEN),
    ('no epoch in decide.lua', 'MUTATE_LUA_WITHOUT_EPOCH CRASHES=1 THEFTS=1'),
    ('publication before COMMIT', 'MUTATE_PUBLISH_BEFORE_COMMIT' + SEEN),
    ('epoch stays after an unknown outcome', 'MUTATE_EPOCH_STAYS ' + ALL + SEEN),
    ('cursor outside the transaction', 'MUTATE_CURSOR_OUTSIDE CRASHES=1' + SEEN),
    ('one generation for ever', 'MUTATE_ONE_GENERATION ' + ALL + SEEN),
    ('trim before COMMIT', 'MUTATE_TRIM_BEFORE_COMMIT CRASHES=1' + SEEN),
    ('no look at the last epoch in Redis', 'MUTATE_TAKE_WITHOUT_LAST_EPOCH ' + ALL + SEEN),
    ('stamp (published, trim) without the epoch',
     'MUTATE_STAMP_WITHOUT_EPOCH CRASHES=1 THEFTS=1 FLUSHES=1 REPEATS=2' + SEEN),
    ('any other generation is dropped', 'MUTATE_DROP_ALL_OTHERS ' + ALL + SEEN),
    ('mended only if the last id is behind',
     'MUTATE_MEND_IF_LAST_BEHIND THEFTS=1 ROLLBACKS=1 CLOCK_BACK=1' + SEEN),
]

# The same of move.pml: a show moves there and back, unless it says MOVES.
MOVE_CONFIGURATIONS = [
    ('moves: crash; one id twice', 'CRASHES=1 REPEATS=1'),
    ('moves: two crashes', 'CRASHES=2'),
    ('moves: flush; one id twice', 'FLUSHES=1 REPEATS=1'),
    ('moves: crash, flush; the journal is bounded; there only',
     'CRASHES=1 FLUSHES=1 FORGETS=1 MOVES=1'),
    ('moves: flush; the journal is bounded', 'FLUSHES=1 FORGETS=1'),
    ('moves: theft; there only', 'SLOTS=2 THEFTS=1 MOVES=1'),
    ('moves: crash; deadlines pass, clocks differ; there only', 'CRASHES=1 CLOCKS=1 MOVES=1'),
    ('moves: deadlines pass, clocks differ', 'CLOCKS=1'),
]

MOVE_DEEP = [
    ('moves: crash, flush', 'CRASHES=1 FLUSHES=1'),
    ('moves: crash; deadlines pass, clocks differ', 'CRASHES=1 CLOCKS=1'),
    ('moves: theft', 'SLOTS=2 THEFTS=1'),
    ('moves: there, back and there again; crash', 'MOVES=3 CRASHES=1'),
]

MOVE_ENDLESS = [
    ('moves: crash: every execution ends', 'CRASHES=1'),
]

MOVE_MUTATIONS = [
    ('moves: the commit does not fence the other partition', 'MUTATE_NO_FENCE CRASHES=1'),
    ('moves: its version stays', 'MUTATE_VERSION_STAYS'),
    ('moves: its clock stays', 'MUTATE_CLOCK_STAYS CLOCKS=1'),
    ('moves: handed over after the commit', 'MUTATE_HAND_AFTER CRASHES=1'),
    ('moves: handed over without the mark', 'MUTATE_NOT_AGAIN CRASHES=1 FLUSHES=1 FORGETS=1 MOVES=1'),
    ('moves: no look at what the old partition answered', 'MUTATE_NO_FORMERS CRASHES=1'),
    ('moves: no look at its journal', 'MUTATE_NO_JOURNAL FLUSHES=1'),
    ('moves: no look-up of what is from before the move', 'MUTATE_NOT_LOOKED_UP FLUSHES=1 FORGETS=1'),
    ('moves: the script keeps the show', 'MUTATE_SHOW_STAYS'),
]

BOUND = re.compile(r'assertion violated \(+(n<=|k<|pg_epoch<|highest\[)')


def run(command, folder, minutes=MINUTES_MAX):
    return subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * minutes).stdout


class Row:
    def __init__(self, build, model, name, definitions, endless=False):
        self.name = name
        self.model = os.path.join(HERE, model)
        self.spin_flags = ['-D' + d for d in definitions.split()]
        self.folder = os.path.join(build, re.sub(r'\W+', '_', name + ' ' + definitions))
        self.endless = endless

    def verify(self):
        os.makedirs(self.folder, exist_ok=True)
        began = time.monotonic()
        said = run(['spin', '-a'] + self.spin_flags + [self.model], self.folder)
        if not os.path.exists(os.path.join(self.folder, 'pan.c')) or 'Error' in said:
            sys.exit(said)
        # Every step is one d_step on shared variables: there is no order to reduce.
        said = run(['gcc', '-O2', '-w', '-DNOREDUCE', '-DNOFAIR', '-DVECTORSZ=1024',
                    f'-DMEMLIM={MEMORY_MIB}', '-DNP' if self.endless else '-DSAFETY',
                    '-o', 'pan', 'pan.c'], self.folder)
        if said:
            sys.exit(said)
        self.output = run(['./pan', '-m100000', '-w24'] + (['-l'] if self.endless else []),
                          self.folder)
        self.seconds = time.monotonic() - began
        states = re.search(r'^ *([0-9.e+]+) states, stored', self.output, re.M)
        self.states = int(float(states.group(1))) if states else 0
        violated = re.search(r'^pan:\d+: (.*)', self.output, re.M)
        self.violation = violated.group(1) if violated else None

    def completed(self):
        return ('errors: 0' in self.output and 'Search not completed' not in self.output
                and self.states > 0)

    def refuted(self):
        return (self.violation is not None and 'assertion violated' in self.violation
                and not BOUND.search(self.violation))

    def line(self, verdict):
        return f'{verdict:<9} {self.name:<62} {self.states:>11,} states {self.seconds:6.1f} s'

    def steps(self):
        """The counterexample: one line of the model for each step."""
        with open(self.model) as file:
            source = file.read().split('\n')
        trail = run(['spin', '-t', '-p', '-k', os.path.basename(self.model) + '.trail'] + self.spin_flags + [self.model],
                    self.folder)
        last = None
        for text in trail.split('\n'):
            step = re.match(r'\s*(\d+):\s+proc\s+(\d+) \((\w+):\d+\) \S*:(\d+) ', text)
            if step and step.group(1) != last:
                last = step.group(1)
                yield f'  {last:>4} {step.group(3)} {step.group(2)}  ' \
                      + source[int(step.group(4)) - 1].strip()


def side_by_side():
    """As many verifiers as there are processors, and memory for all that each may take."""
    pages = os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return max(1, min(os.cpu_count() or 1, pages // (MEMORY_MIB << 20)))


def verified(rows):
    """The rows in their order, each when it and those before it are done."""
    with ThreadPoolExecutor(side_by_side()) as pool:
        for row, _ in zip(rows, pool.map(Row.verify, rows)):
            yield row


def check(build, model, rows, good, verdict, endless=False):
    failed = 0
    for row in verified([Row(build, model, *row, endless) for row in rows]):
        if good(row):
            print(row.line(verdict), flush=True)
            continue
        failed += 1
        print(row.line('FAILED'))
        if row.violation:
            print(f'  {row.violation}', *row.steps(), sep='\n')
        else:
            print('\n'.join(row.output.split('\n')[-40:]) if verdict == 'holds' else
                  '  not refuted: the model does not need what was left out, or does not see it')
        print(f'  verifier and trail: {row.folder}', flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--build', default='build/model')
    parser.add_argument('--deep', action='store_true', help='the large configurations too')
    parser.add_argument('--only', default='', help='rows whose name contains this')
    options = parser.parse_args()
    build = os.path.abspath(options.build)

    holds, refuted = (Row.completed, 'holds'), (Row.refuted, 'refuted')
    suites = [
        ('partition.pml', CONFIGURATIONS + (DEEP if options.deep else []), *holds, False),
        ('partition.pml', ENDLESS, *holds, True),
        ('partition.pml', MUTATIONS, *refuted, False),
        ('move.pml', MOVE_CONFIGURATIONS + (MOVE_DEEP if options.deep else []), *holds, False),
        ('move.pml', MOVE_ENDLESS, *holds, True),
        ('move.pml', MOVE_MUTATIONS, *refuted, False),
    ]
    began = time.monotonic()
    failed = count = 0
    for model, rows, good, verdict, endless in suites:
        rows = [row for row in rows if options.only in row[0]]
        failed += check(build, model, rows, good, verdict, endless)
        count += len(rows)
    print(f'model: {count - failed} passed, {failed} failed in {time.monotonic() - began:.0f} s')
    return 1 if failed or not count else 0


if __name__ == '__main__':
    sys.exit(main())
