#!/bin/sh
# The table of migrations that usherctl carries, as C, from files named NNNN_name.sql.
set -eu
for file in "$@"; do
    name=$(basename "$file" .sql)
    printf 'static const unsigned char migration_%s[] = {\n#include "%s.inc"\n};\n' \
        "$name" "$file"
done
printf 'static const struct migration migrations[] = {\n'
for file in "$@"; do
    name=$(basename "$file" .sql)
    number=$(printf '%s' "${name%%_*}" | sed 's/^0*//') # to C, 0010 would be eight
    printf '    {%s, "%s", migration_%s, sizeof(migration_%s)},\n' \
        "$number" "${name#*_}" "$name" "$name"
done
printf '};\n'
