-- The decision script is checked as it is built: its parts joined, as Redis runs it.
std = "lua51"
read_globals = {"redis", "cmsgpack", "struct", "cjson", "KEYS", "ARGV"}
max_line_length = 100
