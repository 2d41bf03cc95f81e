# The gateway's own rules. Included by the Makefile.

# The document travels inside the program.
$(BUILD)/gateway/openapi.o: $(BUILD)/gen/docs/openapi.json.inc
