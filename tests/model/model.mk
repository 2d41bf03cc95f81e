# The model of the partition's protocol. Included by the Makefile.

# Exhaustive, about two minutes on one core and under 4 GiB; DEEP=1 adds the large configurations.
.PHONY: model
model: ## check the protocol's model with spin, and that its mutations are refuted
	/usr/bin/python3 tests/model/check.py --build $(BUILD)/model $(if $(DEEP),--deep)
