# The gateway's own rules. Included by the Makefile.

# A script and the document travel inside the program.
$(BUILD)/gateway/seat_look.o: $(BUILD)/gen/lua/seatmap.lua.inc
$(BUILD)/gateway/openapi.o: $(BUILD)/gen/docs/openapi.json.inc
