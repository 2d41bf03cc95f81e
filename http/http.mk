# The HTTP server's tests. Included by the Makefile.

# A small application on the server: what tests/system/test_http.py talks to.
$(BUILD)/tests/http-responder: $(BUILD)/tests/unit/http_responder.o $(HTTP) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lev -lhttp_parser -lmsgpackc -linih -lcrypto -lm

# Built along with the programs: whoever runs tests/system over a build folder finds it there.
build: $(BUILD)/tests/http-responder

.PHONY: test-http
test-http: $(BUILD)/tests/http-responder ## the HTTP server against raw sockets
	USHER_BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q tests/system/test_http.py
