# The models of the partition's protocol and of a show that moves. Included by the Makefile.

# Exhaustive, about two minutes on two cores and under 4 GiB on each; DEEP=1 adds the large configurations.
.PHONY: model
model: ## check the protocol's models with spin, and that their mutations are refuted
	/usr/bin/python3 tests/model/check.py --build $(BUILD)/model $(if $(DEEP),--deep)
