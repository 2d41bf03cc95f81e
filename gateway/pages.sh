#!/bin/sh
# The table of the pages' files that the gateway carries, as C. Each file stands in it twice, plain
# and compressed, under a tag that is made of its bytes.
#   gateway/pages.sh FOLDER FILE…    FOLDER has a FILE.inc and a FILE.gz.inc for each
set -eu
folder=$1
shift

type_of() {
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *)
        echo "gateway/pages.sh: no media type for $1" >&2
        exit 1
        ;;
    esac
}

number=0
rows=
for file in "$@"; do
    type=$(type_of "$file")
    number=$((number + 1))
    for form in "" .gz; do
        printf 'static const unsigned char file_%d%s[] = {\n#include "%s%s.inc"\n};\n' \
            "$number" "${form#.}" "$file" "$form"
    done
    tag=$(sha256sum <"$file" | cut -c 1-20)
    rows="$rows    {\"/$file\", \"$type\", \"\\\"$tag\\\"\", \"\\\"$tag-gz\\\"\",
     {(const char *)file_$number, sizeof file_$number},
     {(const char *)file_${number}gz, sizeof file_${number}gz}},
"
    [ -s "$folder/$file.gz.inc" ]
done
printf 'static const struct file files[] = {\n%s};\n' "$rows"
