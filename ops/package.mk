# Installing, and the Debian package. Included by the Makefile.

DESTDIR    ?=
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
VERSION    := $(shell sed -n 's/^\#define USHER_VERSION "\(.*\)"/\1/p' base/config.h)

DAEMONS    := $(filter-out %/usherctl,$(PROGRAMS))

.PHONY: install deb

install: $(PROGRAMS) ## install programs, man pages, units and /etc/usher (DESTDIR= PREFIX=/usr/local)
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/sbin $(PREFIX)/share/man/man8 \
	    $(PREFIX)/lib/sysusers.d $(UNITDIR)/usher-.service.d $(SYSCONFDIR)/usher)
	install -m 755 $(BUILD)/usherctl $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(DAEMONS) $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(wildcard */*.8) $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 ops/systemd/usher.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/usher.conf
	install -m 644 ops/systemd/usher-.service.d/sandbox.conf $(DESTDIR)$(UNITDIR)/usher-.service.d
	for unit in ops/systemd/*.service; do \
	    sed 's|/usr/sbin/|$(PREFIX)/sbin/|' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done
	for file in ops/etc/*.conf; do \
	    [ -e $(DESTDIR)$(SYSCONFDIR)/usher/$${file##*/} ] || \
	    install -m 600 $$file $(DESTDIR)$(SYSCONFDIR)/usher || exit 1; \
	done

# Built from a copy, for dpkg-buildpackage writes into its tree and beside it; and with none of this
# make's variables.
deb: ## the Debian package, as build/deb/usher_VERSION_ARCH.deb
	@ops/install build deb
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb/usher-$(VERSION)
	git ls-files -z --cached --others --exclude-standard | \
	    tar --null --files-from=- -cf - | tar -xf - -C $(BUILD)/deb/usher-$(VERSION)
	cd $(BUILD)/deb/usher-$(VERSION) && env -i PATH="$$PATH" HOME="$$HOME" \
	    DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$$(nproc)" dpkg-buildpackage -b -us -uc -nc
	@ls $(abspath $(BUILD))/deb/*.deb
