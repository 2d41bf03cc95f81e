#!/bin/sh
# Run the unit test programs given; print what fails, and one line of counts at the end. A program
# that dies counts as one failure more, whatever it had passed before.
set -u

passed=0
failed=0
for program; do
    output=$("$program" 2>&1)
    status=$?
    good=$(printf '%s\n' "$output" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' | tail -n 1)
    bad=$(printf '%s\n' "$output" | sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' | tail -n 1)
    bad=${bad:-0}
    if [ "$status" -ne 0 ] || [ "${good:-0}" -eq 0 ]; then
        printf '%s\n' "$output" | grep -v '^\[ *\(RUN\|OK\) *\]'
        [ "$bad" -gt 0 ] || bad=1
        echo "$program: exit status $status"
    fi
    passed=$((passed + ${good:-0}))
    failed=$((failed + bad))
done
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
