# Breaking things while people book. Included by the Makefile.

MINUTES ?= 3
VENUE   ?= ordinary
FAULTS  := $(PYTHON) tests/faults/run.py

.PHONY: faults faults-checker faults-mutants
faults: build ## break things while people book (MINUTES=3 SEED=n VENUE=machines), and judge every answer
	USHER_BUILD=$(BUILD) $(FAULTS) --venue $(VENUE) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

faults-checker: build ## show that the checker of `make faults` can fail
	USHER_BUILD=$(BUILD) $(PYTHON) -m pytest -q tests/faults

faults-mutants: ## break the product on purpose, in copies, and show that `make faults` finds it
	$(PYTHON) tests/faults/mutants.py $(MUTANTS)
