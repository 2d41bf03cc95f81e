# The gateway's own rules. Included by the Makefile.

# A script and the document travel inside the program.
$(BUILD)/gateway/seat_look.o: $(BUILD)/gen/lua/seatmap.lua.inc
$(BUILD)/gateway/limits.o: $(BUILD)/gen/lua/limits.lua.inc
$(BUILD)/gateway/openapi.o: $(BUILD)/gen/docs/openapi.json.inc
$(BUILD)/gateway/queue.o: $(patsubst %,$(BUILD)/gen/lua/%.lua.inc,room_join room_come)

# The pages, each file plain and compressed. A file that came or went changes its folder.
WEB         := $(sort $(wildcard web/*.* web/pages/*.*))
WEB_FOLDERS := web web/pages
$(BUILD)/gen/%.gz.inc: %
	@mkdir -p $(@D)
	gzip -9 -n -c $< | xxd -i > $@

$(BUILD)/gen/pages.inc: gateway/pages.sh $(WEB_FOLDERS) $(foreach f,$(WEB),$(BUILD)/gen/$(f).inc $(BUILD)/gen/$(f).gz.inc)
	sh gateway/pages.sh $(BUILD)/gen $(WEB) > $@

$(BUILD)/gateway/pages.o: $(BUILD)/gen/pages.inc
